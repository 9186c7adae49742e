"""The parts of a guest: their order, what each needs, and the plan that they follow. No libvirt is asked here."""

from __future__ import annotations

import importlib
import pkgutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cumulet.desired.guest import Guest
from cumulet.node.guest import parts
from cumulet.node.guest.domain import Mark
from cumulet.node.guest.domains import Now
from cumulet.node.guest.guests import GuestFacts, Guests
from cumulet.node.guest.homes import Homes
from cumulet.node.guest.journal import Journal
from cumulet.node.guest.local import LocalGuest, Plan, plan
from cumulet.node.guest.locks import Locks
from cumulet.node.guest.parts.part import Part, Tools
from cumulet.node.guest.power import Shutdowns

ID = "33333333-3333-4333-8333-000000000001"


@pytest.fixture
def short() -> Iterator[Path]:
    """A state folder whose path is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="cumulet-") as folder:
        yield Path(folder)


def spec(**changes: Any) -> Guest:
    fields = {"id": ID, "name": "instance-00000001", "display_name": "g", "vcpus": 1, "memory_mb": 32, "root_gb": 1}
    return Guest(**{**fields, **changes})


def now(*, active: bool, hard: int = 0, soft: int = 0) -> Now:
    domain = SimpleNamespace(UUIDString=lambda: ID, name=lambda: "instance-00000001")
    return Now(domain, active, 1 if active else 5, 0, Mark("o", hard, soft))


def test_every_part_has_its_place() -> None:
    """A class of a part in this folder that is not in the order would never be asked."""
    found: set[type[Part]] = set()
    for module in pkgutil.iter_modules(parts.__path__):
        for each in vars(importlib.import_module(f"{parts.__name__}.{module.name}")).values():
            if isinstance(each, type) and issubclass(each, Part) and each is not Part:
                found.add(each)
    assert found == set(parts.ORDER) and len(parts.ORDER) == len(found)
    for part in parts.ORDER:
        assert {"ensure", "absent", "facts"} & vars(part).keys(), part


def tools(folder: Path) -> Tools:
    daemon: Any = SimpleNamespace(qemu_log_folder=folder / "log")
    nothing: Any = None
    return Tools(
        libvirt=SimpleNamespace(VIR_DOMAIN_PAUSED=3, VIR_DOMAIN_CRASHED=6), daemon=daemon, homes=Homes(folder),
        domains=nothing, images=nothing, fetch=nothing, shutdowns=Shutdowns(), virt_type="qemu", kvm_group=None,
        console_group=None,
    )  # fmt: skip


def test_each_part_is_absent_where_nothing_was_ever_made(short: Path) -> None:
    given = tools(short)
    for notes in (Journal(), Journal(name="instance-00000001")):
        guest = LocalGuest(ID, None, given.homes.folder(ID), given.homes.socket(ID), notes, None)
        for part in (*reversed(parts.assemble(given)), *parts.assemble(given)):
            part.absent(guest)
            assert part.facts(guest) == {}
    assert sorted(path.name for path in short.iterdir()) == ["guest-owner", "instances"]


def test_the_folder_takes_along_what_no_part_knows(short: Path) -> None:
    given = tools(short)
    folder = given.homes.folder(ID)
    (folder / "a" / "b").mkdir(parents=True)
    (folder / ".disk.new").write_text("half made")
    guest = LocalGuest(ID, None, folder, given.homes.socket(ID), Journal(), None)
    for part in reversed(parts.assemble(given)):
        part.absent(guest)
    assert given.homes.ids() == []


def test_facts_of_all_parts_are_one_guests(short: Path) -> None:
    given = tools(short)
    guest = LocalGuest(ID, None, given.homes.folder(ID), given.homes.socket(ID), Journal(), now(active=True, hard=2))
    known: dict[str, Any] = {}
    for part in parts.assemble(given):
        said = part.facts(guest)
        assert not said.keys() & known.keys(), "two parts say the same"
        known |= said
    socket = str(given.homes.socket(ID))
    assert GuestFacts(**known) == GuestFacts(
        id=ID, name="instance-00000001", power_state="running", hard_reboots=2, vnc=socket
    )


class Noted(Part):
    """A part that only says that it was asked."""

    def __init__(self, name: str, said: list[str], again_in: float | None = None) -> None:
        self.name, self.said, self.again_in = name, said, again_in

    def ensure(self, guest: Any, found: Any) -> None:
        self.said.append(f"ensure {self.name}")
        guest.again_in = self.again_in

    def absent(self, guest: Any) -> None:
        self.said.append(f"absent {self.name}")

    def facts(self, guest: Any) -> dict[str, Any]:
        return {"id": guest.id, "name": "n", "again_in": guest.again_in}


def host(folder: Path, *each: Part) -> Any:
    made: Any = object.__new__(Guests)
    domains = SimpleNamespace(find=lambda *_: None, mine=lambda *_: None)
    made.__dict__.update(
        parts=each, _homes=Homes(folder), _domains=domains, _locks=Locks(), _ask=lambda work, _doing: work(None)
    )
    made._libvirt = SimpleNamespace(VIR_DOMAIN_SHUTOFF_SHUTDOWN=1)
    return made


def test_parts_come_in_their_order_and_go_in_the_opposite_one(short: Path) -> None:
    said: list[str] = []
    guests = host(short, *(Noted(name, said) for name in "abc"))
    guests.ensure(spec())
    guests.absent(ID)
    assert said == ["ensure a", "ensure b", "ensure c", "absent c", "absent b", "absent a"]


def test_a_part_that_waits_lets_the_others_wait(short: Path) -> None:
    said: list[str] = []
    guests = host(short, Noted("a", said), Noted("b", said, again_in=0.5), Noted("c", said))
    assert guests.ensure(spec()).again_in == 0.5
    assert said == ["ensure a", "ensure b"]


ON, OFF, GONE = now(active=True, hard=1, soft=1), now(active=False, hard=1, soft=1), None
STARTED, OURS_OFF = Journal(power="on"), Journal(power="off")


@pytest.mark.parametrize(
    ("power", "hard", "soft", "there", "notes", "shut_down", "expected"),
    [
        ("off", 1, 1, ON, STARTED, False, Plan.REST),
        ("off", 2, 1, OFF, OURS_OFF, False, Plan.REST),
        ("off", 0, 0, GONE, Journal(), False, Plan.REST),
        ("on", 0, 0, GONE, Journal(), False, Plan.START),
        ("on", 1, 1, ON, STARTED, False, Plan.KEEP),
        ("on", 0, 0, ON, STARTED, False, Plan.KEEP),  # the past
        ("on", 2, 1, ON, STARTED, False, Plan.RESET),
        ("on", 2, 2, ON, STARTED, False, Plan.RESET),
        ("on", 1, 2, ON, STARTED, False, Plan.REBOOT),
        ("on", 1, 1, OFF, STARTED, True, Plan.LEAVE),
        ("on", 1, 1, OFF, Journal(power="on", left_by_itself=True), False, Plan.LEAVE),
        ("on", 1, 1, OFF, Journal(power="on", left_by_itself=True, host_ended=True), True, Plan.START),
        ("on", 1, 1, OFF, STARTED, False, Plan.START),  # its QEMU was killed
        ("on", 1, 1, OFF, OURS_OFF, True, Plan.START),  # it obeyed us
        ("on", 2, 1, OFF, STARTED, True, Plan.START),  # somebody asked for it again
        ("on", 1, 2, OFF, STARTED, True, Plan.START),
    ],
)
def test_the_plan(
    power: Any, hard: int, soft: int, there: Now | None, notes: Journal, shut_down: bool, expected: Plan
) -> None:
    wanted = spec(power=power, hard_reboots=hard, soft_reboots=soft)
    assert plan(wanted, there, notes, shut_down=shut_down) is expected
