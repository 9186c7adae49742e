"""What `tests/order.py` says of the files of tests, which workers are dealt by."""

from __future__ import annotations

import re
from pathlib import Path

from tests import order

ROOT = Path(__file__).parents[2]
BOOTS = re.compile(r"^(@pytest\.mark\.guest\b|pytestmark = .*(mark\.guest|\breal\())", re.MULTILINE)


def test_the_long_files_exist() -> None:
    assert [file for file in order.SECONDS if not (ROOT / file).is_file()] == []
    assert [file for lane in order.GUESTS for file in (*lane, order.ALONE) if not (ROOT / file).is_file()] == []


def test_files_that_boot_guests_are_in_two_units() -> None:
    files = {str(path.relative_to(ROOT)): path.read_text() for path in (ROOT / "tests").rglob("test_*.py")}
    booting = {file for file, text in files.items() if BOOTS.search(text)}
    assert len(booting) >= 8
    assert {order.unit(f"{file}::test") for file in booting} == {"guests 0", "guests 1"}
    assert booting == {file for lane in order.GUESTS for file in lane}


def test_the_longest_unit_comes_first_and_a_file_stays_together() -> None:
    long = max(
        (file for file in order.SECONDS if not order.unit(file).startswith("guests")), key=order.SECONDS.__getitem__
    )
    guests = "tests/e2e/test_lab.py::y"
    given = ["tests/a.py::b", "tests/a.py::a", f"{long}::z", "tests/b.py::x", guests, f"{long}::a"]
    found = [given[place] for place in order.ordered(given)]
    assert found == [given[4], given[2], given[5], given[0], given[1], given[3]]


def test_few_files_are_run_in_one_process() -> None:
    assert order.workers(order.FEW_FILES, 8) == 0
    assert order.workers(order.FEW_FILES + 1, 8) == 9


def test_files_are_counted_as_pytest_finds_them() -> None:
    here = str(Path(__file__).relative_to(ROOT))
    assert order.files([f"{here}::test_x", here], ROOT) == 2
    assert order.files(["tests/laws"], ROOT) == len(list((ROOT / "tests" / "laws").glob("test_*.py")))
    assert order.files(["tests"], ROOT) > 200
