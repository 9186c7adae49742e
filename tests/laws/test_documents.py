"""Documents are true where a machine can tell."""

from __future__ import annotations

import re

import pytest

from cumulet.config import Settings, documentation
from cumulet.introduction import introductions
from tests.laws.source import ROOT

MOST_IN_COMMON, MOST_OF_A_SERVICE = 40, 12
"""Options."""
PATH = re.compile(r"`((?:src|tests|docs|decisions|bench)/[\w./-]+|cumulet/[\w./-]+)`")


@pytest.mark.parametrize("document", ["ARCHITECTURE.md", "CONTRIBUTING.md", "README.md"])
def test_every_path_that_a_document_names_exists(document: str) -> None:
    named = PATH.findall((ROOT / document).read_text())
    missing = [path for path in named if not (ROOT / path).exists() and not (ROOT / "src" / path).exists()]
    assert missing == []


def test_a_key_of_the_readme_is_closed_before_it_is_used() -> None:
    """The client writes it as open as the umask allows, and ssh takes no such key."""
    steps = (ROOT / "README.md").read_text()
    assert 0 < steps.find("--private-key key.pem") < steps.find("chmod 600 key.pem") < steps.find("ssh -i key.pem")


def test_architecture_names_its_rooms() -> None:
    named = set(PATH.findall((ROOT / "ARCHITECTURE.md").read_text()))
    rooms = {f"src/cumulet/{path.name}" for path in (ROOT / "src" / "cumulet").iterdir() if path.is_dir()}
    rooms = {room for room in rooms if not room.endswith("__pycache__")}
    assert {room for room in rooms if not any(path.startswith(room) for path in named)} == set()


def test_options_are_few_and_documented() -> None:
    documented = documentation()
    own = {each.type: set(each.options._fields) for each in introductions() if each.options}
    common = set(Settings.__dataclass_fields__) - {"services"}
    assert len(common) <= MOST_IN_COMMON and all(len(names) <= MOST_OF_A_SERVICE for names in own.values())
    assert set(documented) == common.union(*own.values())
    assert all(len(text) > 10 for text in documented.values())


def test_decisions_are_numbered_and_dated() -> None:
    records = sorted((ROOT / "decisions").glob("*.md"))
    assert records
    numbers = [path.name[:4] for path in records]
    assert len(numbers) == len(set(numbers)) and all(map(str.isdigit, numbers)), "branches land in any order"
    for path in records:
        assert re.search(r"^Date: \d{4}-\d{2}-\d{2}$", path.read_text(), re.M), path.name
