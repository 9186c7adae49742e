"""`cumulet openstack …`: the official client with this cloud's credentials.

It becomes the client. A user's own OS_CLOUD or OS_AUTH_URL (a sourced openrc) is left as it is; else it is
the admin.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

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
    client = Path(os.environ.get("CUMULET_CLIENT_ENV", "/nonexistent")) / "bin" / "openstack"
    if not client.exists():
        raise CliError("the client is installed by the launcher: run ./cumulet openstack from the checkout")
    env = environment(state, os.environ)
    clouds = Path(env["OS_CLIENT_CONFIG_FILE"])
    asks = not words or words[0] not in ("--version", "--help", "-h", "help", "complete")
    if asks and "OS_AUTH_URL" not in env and not os.access(clouds, os.R_OK):
        why = "is not yours to read: source an openrc you were given" if _there(clouds) else "is not there"
        raise CliError(f"{clouds} {why} (cumulet up makes it)")
    os.execve(client, [str(client), *words], env)


def _there(path: Path) -> bool:
    try:
        return path.exists()
    except PermissionError:
        return True
