"""Which files of tests are long, in which order workers get them, and how many workers there are.

The seconds are of a run in one process (``--durations=0``), rounded; they need not be exact, and a file that is not
here is a short one. `tests/laws/test_order.py` looks that the files exist.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FEW_FILES = 30
"""So many files are run in this process: workers begin by importing everything, which takes each of them seconds."""

SECONDS: dict[str, int] = {
    "tests/e2e/test_lab.py": 240,
    "tests/e2e/test_mending.py": 240,
    "tests/node/guest/test_real_guests.py": 130,
    "tests/node/guest/test_real_hosts.py": 70,
    "tests/node/imagebuild/test_tiny_guest.py": 120,
    "tests/parity/test_tempest.py": 120,
    "tests/e2e/test_console.py": 100,
    "tests/contract/test_schemathesis.py": 100,
    "tests/crash/test_amnesia.py": 90,
    "tests/e2e/test_amnesia.py": 80,
    "tests/upgrades/test_upgrades.py": 80,
    "tests/cli/backups/test_living.py": 60,
    "tests/cli/backups/test_verbs.py": 50,
    "tests/cli/test_launcher.py": 50,
    "tests/crash/test_living.py": 50,
    "tests/contract/test_hostile.py": 40,
    "tests/matrix/test_matrix.py": 40,
    "tests/testing/test_clouds.py": 40,
    "tests/crash/test_storm.py": 34,
    "tests/e2e/test_confinement.py": 30,
    "tests/cli/test_operator.py": 30,
    "tests/cli/test_one_port.py": 25,
    "tests/node/net/test_world.py": 25,
    "tests/upgrades/test_under_load.py": 18,
}

GUESTS = (
    (
        "tests/e2e/test_lab.py",
        "tests/e2e/test_console.py",
        "tests/e2e/test_confinement.py",
        "tests/node/guest/test_confinement.py",
        "tests/node/imagebuild/test_tiny_guest.py",
    ),
    (
        "tests/e2e/test_mending.py",
        "tests/e2e/test_amnesia.py",
        "tests/node/guest/test_real_guests.py",
        "tests/node/guest/test_real_hosts.py",
    ),
)
"""Where emulated guests boot, each of which takes a processor: two workers have all of them, so that no more than two
boot at once. The two take about equally long."""

ALONE = "tests/node/net/test_world.py"
"""Each test of this file is a process with fixtures of its own, and takes as long as a file does elsewhere."""


def file_of(nodeid: str) -> str:
    return nodeid.split("::", 1)[0]


def unit(nodeid: str) -> str:
    """What is run by one worker."""
    file = file_of(nodeid)
    for number, lane in enumerate(GUESTS):
        if file in lane:
            return f"guests {number}"
    return nodeid if file == ALONE else file


def ordered(nodeids: Sequence[str]) -> list[int]:
    """The places of these tests, the longest unit's first; within a unit as they were."""
    seconds: dict[str, float] = {}
    for key, file in {(unit(nodeid), file_of(nodeid)) for nodeid in nodeids}:
        seconds[key] = seconds.get(key, 0) + SECONDS.get(file, 0)
    return sorted(range(len(nodeids)), key=lambda place: (-seconds[unit(nodeids[place])], unit(nodeids[place])))


def files(arguments: Iterable[str], folder: Path) -> int:
    """How many files of tests pytest's arguments name."""
    places = [folder / argument.split("::", 1)[0] for argument in arguments]
    return sum(len(list(place.rglob("test_*.py"))) if place.is_dir() else 1 for place in places)


def workers(count: int, processors: int) -> int:
    """How many workers so many files get; 0: they are run in this process."""
    return 0 if count <= FEW_FILES else processors + 1
