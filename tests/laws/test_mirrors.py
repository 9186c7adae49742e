"""Tests stand where what they test stands: whoever reads `api/hypervisors.py` finds `test_hypervisors.py`."""

from __future__ import annotations

import pytest

from tests.laws.source import PACKAGE, ROOT

MIRRORED = ("compute", "network")
"""Services whose tests mirror their `api/`. A service may only be added."""
DECLARING = ("@service.", "return service.action(", "\ncrud(service, NOUN, model")
"""How a file declares operations: one by one, as actions, or the five of a plain noun at once."""


@pytest.mark.parametrize("service", MIRRORED)
def test_every_file_of_operations_has_a_file_of_tests(service: str) -> None:
    api = PACKAGE / "services" / service / "api"
    declare = {path.stem for path in api.glob("*.py") if any(mark in path.read_text() for mark in DECLARING)}
    tests = {path.stem.removeprefix("test_") for path in (ROOT / "tests" / "services" / service).glob("test_*.py")}
    assert len(declare) > 5
    assert declare - tests == set()


@pytest.mark.parametrize("service", MIRRORED)
def test_fixtures_come_from_conftest_alone(service: str) -> None:
    """A fixture that is imported from another file of tests needs its name twice, and a linter that looks away."""
    for path in (ROOT / "tests" / "services" / service).glob("*.py"):
        text = path.read_text()
        assert "F811" not in text, path
        others = [line for line in text.splitlines() if line.startswith("from tests.") and ".test_" in line]
        assert others == [], f"{path}: what several files need is a fixture, or stands in a module that is no test"


def test_no_linter_looks_away_from_fixtures() -> None:
    looked_away = [path for path in (ROOT / "tests").rglob("*.py") if "noqa: F8" + "11" in path.read_text()]
    assert looked_away == []
