"""A real cloud that loses its database, and one that gets an older copy back: its guest runs on, and nothing goes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.lab import Lab, real, until
from tests.e2e.machine import Machine
from tests.e2e.stage import LEDGER, Server, Stage

pytestmark = real(600)


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with Machine("amnesia") as machine:
        lab = Lab(machine)
        lab.up()
        yield Stage(lab)


@pytest.fixture(scope="module")
def guest(stage: Stage) -> Server:
    stage.open("icmp")
    server = stage.create("survivor")
    stage.wait(server)
    return server


def holds(stage: Stage) -> bool:
    return any(" holds: " in problem for problem in stage.status())


def started(stage: Stage) -> str:
    """What `up` says of a cloud whose rows are not the right ones; its status is not 0 then."""
    return stage.lab.cumulet("up", "--first-image", str(stage.lab.image), check=False)


def on_host(stage: Stage) -> list[str]:
    """Devices, rules, domains and files of the cloud on its host."""
    return stage.lab.host("sh", "-c", LEDGER.replace("STATE", str(stage.state))).splitlines()


def test_a_lost_database_ends_nothing(stage: Stage, guest: Server) -> None:
    lab, look = stage.lab, stage.look
    address = stage.floating(guest)[1]
    until("the guest has booted", lambda: "login:" in look.console(guest.id), 180)
    until("the guest answers", lambda: lab.pings(address), 60)
    before, pid = stage.ledger(), look.qemu(guest.name)
    host = on_host(stage)
    lab.cumulet("down")
    lab.host("sh", "-c", f"mkdir {stage.state}/away && mv {stage.state}/db/* {stage.state}/away/")
    said = started(stage)
    assert "its database is empty" in said and "image cirros" not in said
    until("the node holds", lambda: holds(stage), 30)
    look.strike("node")
    until("the node is back and holds", lambda: holds(stage), 60)
    assert look.qemu(guest.name) == pid and look.disk(guest.id)
    assert on_host(stage) == host
    until("the guest answers still", lambda: lab.pings(address), 30)
    assert lab.host("sh", "-c", f"find {stage.state}/images -type f -size +1M").strip(), "the image is there"
    lab.cumulet("down")
    lab.host(
        "sh", "-c", f"rm -f {stage.state}/db/* && mv {stage.state}/away/* {stage.state}/db/ && rmdir {stage.state}/away"
    )
    lab.up()
    until("nothing is wrong", lambda: not stage.status(), 60)
    stage.wait(guest)
    assert look.qemu(guest.name) == pid
    until("the guest answers as before", lambda: lab.pings(address), 30)
    stage.returns_to(before)


def test_what_an_older_copy_does_not_know_runs_on(stage: Stage, guest: Server) -> None:
    lab, look = stage.lab, stage.look
    lab.cumulet("down")
    lab.host("cp", "-a", f"{stage.state}/db", f"{stage.state}/older")
    lab.up()
    later = stage.create("later")
    stage.wait(later)
    pids = look.qemu(guest.name), look.qemu(later.name)
    lab.cumulet("down")
    lab.host("sh", "-c", f"mv {stage.state}/db {stage.state}/away && mv {stage.state}/older {stage.state}/db")
    assert "older" in started(stage)
    until("the node holds", lambda: holds(stage), 30)
    assert (look.qemu(guest.name), look.qemu(later.name)) == pids
    lab.cumulet("down")
    lab.host("sh", "-c", f"rm -rf {stage.state}/db && mv {stage.state}/away {stage.state}/db")
    lab.up()
    until("nothing is wrong", lambda: not stage.status(), 60)
    assert (look.qemu(guest.name), look.qemu(later.name)) == pids
    stage.delete(later)
    stage.gone(later)
    until("its disk is gone", lambda: not look.disk(later.id), 30)
