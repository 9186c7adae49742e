"""`docs/extending.md` shows the code of bells as it is, and all of it."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from tests.laws.source import ROOT

PAGE = (ROOT / "docs" / "extending.md").read_text()
BLOCKS = [textwrap.dedent(each) for each in re.findall(r"^ *```python\n(.*?)^ *```$", PAGE, re.M | re.S)]
ABOUT = "a service, a noun, an operation, a verb, a node part"


def test_there_is_a_chapter_for_each() -> None:
    assert re.findall(r"^## Add (an? .*)$", PAGE, re.M) == ABOUT.split(", ")
    assert len(BLOCKS) > 15


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.split("\n", 2)[1].strip()[:60])
def test_code_is_that_of_bells(block: str) -> None:
    head, _, code = block.partition("\n")
    file = ROOT / head.removeprefix("# ")
    assert file.is_relative_to(ROOT / "tests" / "extending" / "bells") and code in file.read_text()


def test_every_room_of_the_service_is_told_of() -> None:
    bells = ROOT / "tests" / "extending" / "bells"
    rooms = {path.relative_to(bells).parts[0] for path in bells.rglob("*.py")} - {"__init__.py"}
    named = set(re.findall(r"[\w/]+(?:\.py)?", PAGE))
    shown = {Path(block.split("\n", 1)[0]).relative_to("# tests/extending/bells").parts[0] for block in BLOCKS}
    assert {room for room in rooms if room not in shown | named | {name.split("/")[0] for name in named}} == set()


def test_files_that_it_names_are_there() -> None:
    named = re.findall(r"`((?:src|tests|docs)/[\w./-]+)`", PAGE)
    assert named and [each for each in named if not (ROOT / each).exists()] == []
