"""The clock jumps by an hour, in either direction (case 58): what was refused stays refused, what is new works at once,
and no guest is lost or left half made. The clock is a patched one; the machine's own is never touched."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select, update

from cumulet.engine.tables import flows
from cumulet.fleet.tables import links
from tests.assembled import Assembled
from tests.services.compute.books import NOTHING, held
from tests.services.compute.conftest import Nova, show

HOUR_S = 3600
PROJECT = {"project": {"name": "demo", "domain": {"id": "default"}}}


@dataclass
class Clock:
    """Time as the code under test reads it: the machine's, and `ahead_s` seconds."""

    ahead_s: float = 0

    def jump(self, seconds: float) -> None:
        self.ahead_s += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found, seconds, nanoseconds = Clock(), time.time, time.time_ns
    monkeypatch.setattr(time, "time", lambda: seconds() + found.ahead_s)
    monkeypatch.setattr(time, "time_ns", lambda: nanoseconds() + int(found.ahead_s * 1e9))
    return found


@pytest.fixture
def cloud(clock: Clock, tmp_path: Path) -> Iterator[Assembled]:
    found = Assembled(tmp_path / "state")
    yield found
    found.close()


def status(cloud: Assembled, token: str) -> int:
    """What a service and identity itself answer to the token."""
    told = {
        cloud.ask("network", "GET", "/v2.0/networks", token=token).status,
        cloud.ask("identity", "GET", "/v3/auth/tokens", token=token, headers={"x-subject-token": token}).status,
    }
    assert len(told) == 1, "services disagree about a token"
    return told.pop()


@pytest.mark.parametrize("jump", [HOUR_S, -HOUR_S])
def test_58_tokens_after_a_jump(cloud: Assembled, clock: Clock, jump: int) -> None:
    """Old tokens live on or have ended; a new one works at once, and none is a fault."""
    old = cloud.log_in("demo", cloud.secret("demo"), PROJECT)
    clock.jump(jump)
    assert status(cloud, old) == (401 if jump > 0 else 200)
    new = cloud.log_in("demo", cloud.secret("demo"), PROJECT)
    assert status(cloud, new) == 200
    clock.jump(-jump)
    assert status(cloud, old) == 200
    assert status(cloud, new) == (200 if jump > 0 else 401)
    assert status(cloud, cloud.log_in("demo", cloud.secret("demo"), PROJECT)) == 200


@pytest.mark.parametrize("jump", [HOUR_S, -HOUR_S])
def test_58_what_was_revoked_stays_revoked(cloud: Assembled, clock: Clock, jump: int) -> None:
    """A clock that goes back brings no token back, and a password that was just changed serves."""
    admin, name = cloud.admin, "clockwise"
    user = {"user": {"name": name, "password": "correct horse battery"}}
    user_id = cloud.ask("identity", "POST", "/v3/users", token=admin, body=user).json["user"]["id"]
    before = cloud.log_in(name, "correct horse battery")
    revoked = cloud.log_in("demo", cloud.secret("demo"), PROJECT)
    headers = {"x-subject-token": revoked}
    assert cloud.ask("identity", "DELETE", "/v3/auth/tokens", token=admin, headers=headers).status == 204
    body = {"user": {"original_password": "correct horse battery", "password": "correct horse battery staple"}}
    assert cloud.ask("identity", "POST", f"/v3/users/{user_id}/password", body=body).status == 204
    clock.jump(jump)
    assert status(cloud, revoked) == 401
    assert cloud.ask("identity", "GET", "/v3/auth/projects", token=before).status == 401
    after = cloud.log_in(name, "correct horse battery staple")
    assert cloud.ask("identity", "GET", "/v3/auth/projects", token=after).status == 200


def heartbeat(nova: Nova) -> None:
    """The node has just been heard."""
    with nova.db.transaction() as tx:
        tx.execute(update(links).values(last_seen=tx.now))


@pytest.mark.parametrize("jump", [HOUR_S, -HOUR_S])
def test_58_a_server_that_is_being_built(
    clock: Clock,
    nova: Nova,
    demo: httpx.Client,
    jump: int,
) -> None:
    """It becomes ACTIVE: its deadline moves with the clock. The next one is built, and so is one after the clock was
    set right."""
    server_id = nova.create(demo, "before")
    clock.jump(jump)
    nova.run_flows()
    heartbeat(nova)
    nova.node.work()
    nova.run_flows()
    assert show(demo, server_id)["status"] == "ACTIVE" and server_id in nova.node.guests
    nova.active(demo, "after")
    clock.jump(-jump)
    heartbeat(nova)
    nova.active(demo, "at last")
    for server in demo.get("/v2.1/servers").json()["servers"]:
        assert demo.delete(f"/v2.1/servers/{server['id']}").status_code == 204
    nova.node.work()
    nova.run_flows()
    assert held(nova) == NOTHING
    with nova.db.read() as tx:
        assert tx.rows(select(flows.c.kind)) == []
