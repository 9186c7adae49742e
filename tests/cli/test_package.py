"""Cumulet as pip installs it, without its optional parts: a wheel, an environment of its own, and a simulated cloud."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cumulet.cli import api_client
from cumulet.config import Settings
from tests.laws.source import ROOT

OPTIONAL = ("boto3", "ldap3", "psycopg")
DATA = (
    *("cumulet/db/migrations/env.py", "cumulet/db/migrations/script.py.mako"),
    *("cumulet/db/migrations/versions/0001_initial.py", "cumulet/db/migrations/shapes/0001.txt"),
    *("cumulet/node/packages.txt", "cumulet/node/imagebuild/initrd/init.sh", "cumulet/services/compute/upstream.txt"),
    *("cumulet/node/imagebuild/rootfs/etc/inittab", "cumulet/node/imagebuild/rootfs/etc/acpi/PWRF/00000080"),
    "cumulet/node/imagebuild/debian_rootfs/rootfs/etc/cloud/cloud.cfg.d/90_cumulet.cfg",
)


def run(*words: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("OS_", "CUMULET_", "PYTHON"))}
    return subprocess.run(words, env=kept | env, capture_output=True, text=True, timeout=280, check=False)


def ok(*words: str | Path, **env: str) -> str:
    done = run(*words, **env)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from what git has of this checkout: building leaves traces in the folder that it works on."""
    folder = tmp_path_factory.mktemp("wheel")
    (folder / "source").mkdir()
    listed = ok(
        "git", "-C", ROOT, "ls-files", "-co", "--exclude-standard", "src", "pyproject.toml", "README.md", "LICENSE"
    )
    for name in listed.splitlines():
        if (ROOT / name).is_file():
            target = folder / "source" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((ROOT / name).read_bytes())
    built = run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, folder / "source")
    if built.returncode != 0 and "setuptools" in built.stderr and "No matching distribution" in built.stderr:
        pytest.skip("building a wheel needs setuptools from a package index")
    assert built.returncode == 0, built.stderr
    return next(folder.glob("cumulet-*.whl"))


@pytest.fixture(scope="module")
def scripts(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of an environment's commands, with the wheel and what it cannot do without."""
    folder = tmp_path_factory.mktemp("installed") / "env"
    venv.create(folder, with_pip=True, symlinks=True)
    done = run(folder / "bin" / "pip", "install", "-q", "--disable-pip-version-check", wheel)
    if done.returncode != 0 and "No matching distribution" in done.stderr:
        pytest.skip("installing needs a package index")
    assert done.returncode == 0, done.stderr
    yield folder / "bin"


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that everybody may enter: started by root, the APIs run as a user of their own."""
    with tempfile.TemporaryDirectory(prefix="cumulet-package-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.slow
def test_the_wheel_has_all_that_is_no_code(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert set(DATA) <= names
    tracked = ok("git", "-C", ROOT, "ls-files", "src/cumulet").split()
    assert {name.removeprefix("src/") for name in tracked} <= names


@pytest.mark.slow
def test_a_cloud_of_an_installation_without_optional_parts(scripts: Path, place: Path) -> None:
    for name in OPTIONAL:
        assert run(scripts / "python", "-c", f"import {name}").returncode != 0, (
            f"{name} is there without being asked for"
        )
    state, command = place / "cloud", str(scripts / "cumulet")
    try:
        said = ok(command, "up", "--simulated", "--state", state, "--port-base", "auto")
        assert f"Next: cumulet openstack --state {state} server list" in said
        settings = Settings.load(state)
        token = ok(scripts / "python", "-c", _TOKEN, settings.local_url("identity"), settings.secret("demo_password"))
        servers = f"{settings.local_url('compute')}/v2.1/servers"
        status, _, text = api_client.call("GET", servers, {"X-Auth-Token": token.strip()})
        assert (status, text) == (200, b'{"servers":[]}')
        assert "cumulet up" in run(command, "explain", "x", "--state", place / "none").stderr
        assert "No problems" in ok(scripts / "python", "-m", "cumulet", "status", "--state", state)
    finally:
        ok(command, "down", "--purge", "--state", state)
    assert not state.exists()


@pytest.mark.slow
def test_a_part_that_is_missing_is_named_with_what_brings_it(scripts: Path, place: Path) -> None:
    state, command = place / "cloud", scripts / "cumulet"
    words = (command, "up", "--simulated", "--state", state, "--port-base", "auto")
    without = run(*words, CUMULET_DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    assert without.returncode != 0 and "pip install 'cumulet[postgresql]'" in without.stderr
    (state / "secrets" / "database_url").unlink()
    keys = state / "secrets" / "image_store_far"
    keys.write_text("access\nsecret\n")
    keys.chmod(0o600)
    owner = keys.parent.stat()
    os.chown(keys, owner.st_uid, owner.st_gid)
    (state / "image.toml").write_text('[stores.far]\ntype = "s3"\nbucket = "b"\nendpoint = "http://127.0.0.1:1"\n')
    without = run(*words)
    assert without.returncode != 0 and "pip install 'cumulet[s3]'" in without.stderr, without.stderr
    ok(command, "down", "--purge", "--state", state)


_TOKEN = """
import sys
from cumulet.cli.api_client import Session
print(Session(sys.argv[1], "demo", sys.argv[2], "RegionOne").token)
"""
