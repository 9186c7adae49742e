"""An upgrade by restart while a client writes all the time: nothing that was promised is lost, and guests run on.

Earlier commits are not here to be restarted from. So the cloud of one is started by this version, and before the
restart its database says again that it is at the first revision: every step is taken anew, after a copy of all rows.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from cumulet.cli import upgrade
from cumulet.cli.api_client import ApiError
from cumulet.config import Settings
from tests.upgrades import things
from tests.upgrades.test_upgrades import Real, place, unpacked

__all__ = ["place"]


class Writer(threading.Thread):
    """Makes networks, renames each and deletes every third, and remembers what it was promised."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(daemon=True)
        self.session = things.sessions(settings)["demo"]
        self.there: dict[str, str] = {}
        self.gone: set[str] = set()
        self.unsure: set[str] = set()
        self.answers: list[tuple[float, int]] = []
        self.ended = threading.Event()

    def run(self) -> None:
        number = 0
        while not self.ended.wait(0.01):
            number += 1
            made = self.ask("POST", "/networks", {"network": {"name": f"n{number}"}})
            if made is None:
                self.unsure.add(f"n{number}")
                continue
            network = made["network"]["id"]
            self.there[network] = f"n{number}"
            renamed = self.ask("PUT", f"/networks/{network}", {"network": {"name": f"m{number}"}})
            if renamed is None:
                self.unsure.add(network)
                continue
            self.there[network] = f"m{number}"
            if number % 3 == 0:
                done = self.ask("DELETE", f"/networks/{network}")
                (self.unsure if done is None else self.gone).add(network)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The answer, True for an empty one, None when the cloud did not say that it was done."""
        try:
            answer = self.session.request(method, "network", path, body)
        except ApiError as error:
            self.answers.append((time.monotonic(), error.code))
            return None
        self.answers.append((time.monotonic(), 200))
        return answer or True

    def absence(self) -> tuple[float, float]:
        """The longest time without an answer, from when until when."""
        good = [at for at, code in self.answers if code == 200]
        return max(pairwise(good), key=lambda pair: pair[1] - pair[0])


@pytest.fixture
def cloud(place: Path) -> Iterator[Real]:
    found = Real(place / "state")
    unpacked("193ee7e-sqlite", found.state)
    yield found
    found("down")


def back_to_the_first(state: Path) -> None:
    """Let the tables be older in the words of the database, and the state folder be started by the version before."""
    with closing(sqlite3.connect(state / "db" / "cumulet.sqlite")) as connection:
        connection.execute("DROP TABLE store_upgrades")
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
        connection.commit()
    (state / upgrade.STARTED).write_text("0.1.0\n")


def test_an_upgrade_under_load(cloud: Real) -> None:
    words = ("up", "--simulated", "2", "--port-base", str(cloud.base))
    assert cloud(*words).returncode == 0
    settings = Settings.load(cloud.state)
    world = {path.name: path.read_text() for path in (cloud.state / "node" / "world").iterdir()}
    writer = Writer(settings)
    writer.start()
    time.sleep(0.5)
    assert cloud("down").returncode == 0
    back_to_the_first(cloud.state)
    done = cloud(*words)
    assert done.returncode == 0, done.stderr
    assert "Upgrading the database from 0001" in done.stderr
    time.sleep(0.5)
    writer.ended.set()
    writer.join(10)
    since, until = writer.absence()
    outside = [code for at, code in writer.answers if not since <= at <= until]
    assert set(outside) == {200}, "what fails, fails between the last answer of the old and the first of the new"
    assert {code for _, code in writer.answers} <= {200, 0, 503}
    assert len(outside) > 20
    _nothing_is_lost(writer, settings)
    for name, guest in world.items():
        assert json.loads((cloud.state / "node" / "world" / name).read_text()) == json.loads(guest)


def _nothing_is_lost(writer: Writer, settings: Settings) -> None:
    networks = things.sessions(settings)["demo"].request("GET", "network", "/networks")["networks"]
    left = {each["id"]: each["name"] for each in networks if each["name"][0] in "nm"}
    sure = {key: name for key, name in writer.there.items() if key not in writer.gone | writer.unsure}
    assert {key: left.get(key) for key in sure} == sure
    assert not writer.gone & set(left)
    unknown = {key: name for key, name in left.items() if key not in writer.there}
    assert set(unknown.values()) <= writer.unsure, "only what was asked for when the cloud went away may be there, too"
