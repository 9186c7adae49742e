"""Clouds of earlier commits, started by this one: nothing of what they say and run has changed."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cumulet.config import Settings
from cumulet.db.schema import HEAD
from tests import databases
from tests.cli.test_up import Cloud
from tests.upgrades import things

HERE = Path(__file__).parent
MADE = sorted(path.name.removesuffix(".tar.gz") for path in HERE.glob("*.tar.gz"))
PORTS = 22500
"""First of the ports that the clouds were made with (make.py)."""


def unpacked(archive: str, state: Path) -> Path | str:
    """Put the cloud into the folder `state`, with its rows in a database of its own; where that is."""
    state.mkdir(mode=0o711)
    with tarfile.open(HERE / f"{archive}.tar.gz") as packed:
        for member in packed:
            path = state / member.name
            if member.isdir():
                path.mkdir(mode=member.mode)
            else:
                file = packed.extractfile(member)
                assert file is not None
                path.write_bytes(file.read())
                path.chmod(member.mode)
    (state / "db").mkdir()
    rows = (state / "rows.sql").read_text()
    if archive.endswith("sqlite"):
        with sqlite3.connect(state / "db" / "cumulet.sqlite") as connection:
            connection.executescript(rows)
        return state / "db" / "cumulet.sqlite"
    url = databases.url()
    subprocess.run(["psql", "-q", "-v", "ON_ERROR_STOP=1", url], input=rows, text=True, check=True, capture_output=True)
    return url


class Real(Cloud):
    """The verbs themselves, with nothing that stands in for anything."""

    def __call__(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [self.python, "-m", "cumulet.cli.main", *words, "--state", str(self.state)]
        return subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=100, check=False, cwd="/")


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that the user whom the APIs run as may enter, which pytest's own are not when root runs it."""
    folder = Path(tempfile.mkdtemp(prefix="cumulet-upgrade-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(params=MADE)
def cloud(request: pytest.FixtureRequest, place: Path) -> Iterator[Cloud]:
    found = Real(place / "state")
    where = unpacked(request.param, found.state)
    if isinstance(where, str):
        found.env["CUMULET_DATABASE_URL"] = where
    yield found
    found("down")


def moved(recorded: dict[str, Any], cloud: Cloud) -> dict[str, Any]:
    """The answers as they are at the ports of this run."""
    text = json.dumps(recorded)
    for number in range(9):
        text = text.replace(f"127.0.0.1:{PORTS + number}", f"127.0.0.1:{cloud.base + number}")
    return dict(json.loads(text))


def differences(before: Any, now: Any, name: str = "") -> list[str]:
    """Where answers differ, but for the user, the project and the grant that simulated clouds have besides now."""
    if isinstance(before, dict) and isinstance(now, dict) and before.keys() == now.keys():
        return [found for key in before for found in differences(before[key], now[key], key)]
    if isinstance(before, list) and isinstance(now, list):
        more = len(now) - len(before)
        if more == 0 or (more == 1 and name in ("users", "projects", "role_assignments")):
            return [f"{name}: {each}" for each in before if each not in now]
    return [] if before == now else [f"{name}: {before} → {now}"]


def test_a_cloud_of_an_earlier_commit_is_started(cloud: Cloud, request: pytest.FixtureRequest) -> None:
    of_release = "0.2.0" in request.node.name
    world = {path.name: path.read_text() for path in (cloud.state / "node" / "world").iterdir()}
    done = cloud("up", "--simulated", "2", "--port-base", str(cloud.base))
    assert done.returncode == 0, done.stderr
    before = "0002 (0.2.0)" if of_release else "0001 (0.1.0)"
    assert f"Upgrading the database from {before} to {HEAD}" in done.stderr
    found = things.answers(Settings.load(cloud.state))
    recorded = moved(json.loads((cloud.state / "answers.json").read_text()), cloud)
    assert differences(recorded, {name: found[name] for name in recorded}) == []
    for name, guest in world.items():
        before = json.loads(guest)
        after = json.loads((cloud.state / "node" / "world" / name).read_text())
        assert {word: after[word] for word in before} == before
