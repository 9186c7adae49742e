"""`cumulet openstack …`: the official client with this cloud's credentials.

It becomes the client. A user's own OS_CLOUD or OS_AUTH_URL (a sourced openrc) is left as it is; else it is
the admin.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from cumulet.cli import hints
from cumulet.cli.errors import CliError


def environment(state: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """The client's environment."""
    env = {name: text for name, text in environ.items() if name not in ("PYTHONPATH", "PYTHONSAFEPATH")}
    env.setdefault("OS_CLIENT_CONFIG_FILE", str(state / "clouds.yaml"))
    if "OS_CLOUD" not in env and "OS_AUTH_URL" not in env:
        env["OS_CLOUD"] = "cumulet-admin"
    return env


def run(state: Path, words: list[str]) -> NoReturn:
    """Replace this process. Raises CliError when there is no client or no cloud."""
    client = found(os.environ)
    if client is None:
        raise CliError("there is no openstack here: pip install python-openstackclient, or use a checkout's ./cumulet")
    env = environment(state, os.environ)
    clouds = Path(env["OS_CLIENT_CONFIG_FILE"])
    asks = not words or words[0] not in ("--version", "--help", "-h", "help", "complete")
    if asks and "OS_AUTH_URL" not in env and not os.access(clouds, os.R_OK):
        if _there(clouds):
            raise CliError(f"{clouds} is not yours to read: source an openrc that you were given")
        if state.is_file():
            raise CliError(f"{state} is a file; --state wants a folder")
        raise CliError(f"{clouds} is not there: no cloud is in {state}. {hints.name()} up makes one; --state names it")
    os.execve(client, [str(client), *words], env)


def found(environ: Mapping[str, str]) -> Path | None:
    """The client: the launcher's, else the one that is installed beside us, else the first on the PATH."""
    places = [Path(environ["CUMULET_CLIENT_ENV"]) / "bin"] if "CUMULET_CLIENT_ENV" in environ else []
    for place in (*places, Path(sys.executable).parent):
        if os.access(place / "openstack", os.X_OK):
            return place / "openstack"
    on_path = shutil.which("openstack", path=environ.get("PATH"))
    return None if on_path is None else Path(on_path)


def _there(path: Path) -> bool:
    try:
        return path.exists()
    except PermissionError:
        return True
