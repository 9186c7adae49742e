"""Processes that die at every instant of every operation: nothing is stuck, leaked or doubled, and a retry works.

Each operation is first played undisturbed, which counts its instants (a statement, a commit, a change of the world,
a report), then again with a death at each of some of them, chosen by a seed; with CUMULET_EVERY_INSTANT=1 at each of
them all. Once the process that is at work dies, once all of them do.
"""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from cumulet.node.simulation import Behaviour, Script
from tests.crash.consistency import disagreements
from tests.crash.mortal import WIRE, ConnectionLost, MortalCloud, install
from tests.crash.operations import OPERATIONS, Lab, Operation, delete_all, furnish, listed

HOSTS = 4
SEED = os.environ.get("CUMULET_SEEDS", "1").split(",")[0]
SOME = 4


@pytest.fixture(scope="module")
def patched() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        install(patch)
        yield


class Shared:
    """One cloud for all tests, as long as none of them fails."""

    def __init__(self) -> None:
        self.cloud: MortalCloud | None = None
        self.lab: Lab | None = None

    def drop(self) -> None:
        if self.cloud is not None:
            self.cloud.close()
        self.cloud = None


@pytest.fixture(scope="module")
def shared(patched: None) -> Iterator[Shared]:
    found = Shared()
    yield found
    found.drop()


@pytest.fixture
def cloud(shared: Shared, tmp_path: Path) -> Iterator[tuple[MortalCloud, Lab]]:
    if shared.cloud is None or shared.lab is None:
        shared.cloud = MortalCloud(tmp_path / "state", HOSTS, Script(vcpus=16, memory_mb=8192, disk_gb=200))
        shared.lab = furnish(shared.cloud)
    found, shared.cloud = shared.cloud, None
    yield found, shared.lab
    if found.intact:
        shared.cloud = found
    else:
        found.close()


def agree(cloud: MortalCloud, where: str, *, settled: bool = True) -> None:
    """Nothing disagrees, anywhere."""
    found = disagreements(cloud.db, cloud.world(), settled=settled)
    assert not found, f"{where}:\n" + "\n".join(found)


def play(cloud: MortalCloud, lab: Lab, operation: Operation, at: int) -> tuple[int, str | None]:
    """Play an operation with a death at instant `at` (0: none): how many instants passed, and who died where."""
    operation.prepare(cloud, lab)
    cloud.silent = operation.host_down
    cloud.heartbeat()
    with WIRE.arm(at):
        with contextlib.suppress(ConnectionLost):
            operation.ask(cloud, lab)
        carry_on(cloud, lab, operation)
        instants, fell = WIRE.count, WIRE.fell
    cloud.silent = False
    cloud.settle()
    agree(cloud, f"after a death at {at}: {fell}")
    if not operation.done(cloud, lab):
        assert fell is not None, "the operation was not carried out, and nobody died"
        operation.ask(cloud, lab)
        carry_on(cloud, lab, operation)
        assert operation.done(cloud, lab), f"the retry after a death at {at} ({fell}) did not help"
    assert tuple(server["status"] for server in listed(cloud)) == operation.statuses, f"death at {at}: {fell}"
    delete_all(cloud)
    cloud.settle()
    agree(cloud, f"cleaned up after a death at {at}: {fell}")
    assert listed(cloud) == [] and cloud.world() == []
    return instants, fell


def carry_on(cloud: MortalCloud, lab: Lab, operation: Operation) -> None:
    """Until the cloud is quiet; a silent node speaks when the deadline has passed."""
    if operation.silent or operation.host_down:
        cloud.settle(without_node=True)
    if operation.host_down:
        with contextlib.suppress(ConnectionLost):  # looking is a request too, and may be the one that dies
            assert operation.done(cloud, lab) or WIRE.fell, "the host is down, and still waited for"
    elif operation.silent:
        cloud.pass_deadlines()
        cloud.settle(without_node=True)
    if not cloud.silent:
        cloud.settle()


@pytest.mark.parametrize("together", [False, True], ids=["one dies", "all die"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_a_death_at_every_instant(cloud: tuple[MortalCloud, Lab], name: str, together: bool, record_property) -> None:  # type: ignore[no-untyped-def]
    mortal, lab = cloud
    mortal.intact = False
    operation = OPERATIONS[name]
    mortal.together = together
    mortal.after_revival = lambda: agree(mortal, f"risen after {WIRE.fell}", settled=False)
    for host in (f"sim-{number:04d}" for number in range(1, HOSTS + 1)):
        fails = host in operation.fail or "*" in operation.fail
        mortal.script.hosts[host] = Behaviour(fail_boot=1.0 if fails else 0.0)
    instants, _ = play(mortal, lab, operation, 0)
    assert instants > 15
    chosen: Sequence[int] = range(1, instants + 1)
    if not os.environ.get("CUMULET_EVERY_INSTANT"):
        draw = random.Random(f"{SEED} {name} {together}")
        chosen = sorted(draw.sample(chosen, SOME))
    fell = sum(play(mortal, lab, operation, at)[1] is not None for at in chosen)
    assert fell >= len(chosen) * 0.9 - 2  # an operation may be an instant shorter than the last time
    mortal.intact = True
    record_property("deaths", fell)
    print(f"\n{name}, {'all die' if together else 'one dies'}: {fell} deaths, {instants} instants")
