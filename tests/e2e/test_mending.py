"""A real cloud that is hit: processes killed at named moments, things broken by hand, disks that fill.

In the end everything is as asked for, nothing is left over or doubled, and guests that ran have run on.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from tests.e2e.lab import Lab, until
from tests.e2e.machine import Machine
from tests.e2e.stage import Server, Stage

pytestmark = [
    pytest.mark.root,
    pytest.mark.guest,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
]


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with Machine("stack") as machine:
        lab = Lab(machine)
        lab.up()
        yield Stage(lab)


def test_the_node_is_killed_while_servers_come_and_go(stage: Stage) -> None:
    look = stage.look
    warm = stage.create("warm")  # chains that the first guest brings stay; the image is cached
    stage.wait(warm)
    before = stage.ledger()
    moments = {
        "tap": lambda one: look.link(one.tap),
        "defined": lambda one: look.defined(one.name),
        "running": lambda one: look.running(one.name),
    }
    for title, moment in moments.items():
        servers = [stage.create(f"{title}-{number}") for number in range(2)]
        blow = look.strike_when("node", lambda m=moment, s=servers: m(s[0]))
        blow.join()
        for server in servers:
            stage.wait(server)
            assert look.starts(server.name) == 1, f"{title}: {server.name} was started more than once"
        _delete_struck(stage, servers, title)
        stage.returns_to(before)
    assert look.starts(warm.name) == 1
    stage.delete(warm)
    stage.gone(warm)


def _delete_struck(stage: Stage, servers: list[Server], title: str) -> None:
    """Delete; in some rounds the node is killed when the first domain is ended."""
    blow = None
    if title != "tap":
        blow = stage.look.strike_when("node", lambda: not stage.look.running(servers[0].name))
    for server in servers:
        stage.delete(server)
    if blow is not None:
        blow.join()
    for server in servers:
        stage.gone(server)
