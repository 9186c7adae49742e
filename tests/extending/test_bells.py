"""A service that is put in by the list alone is there for clients, operators and documents (`scenario.py`)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cumulet import services
from tests.extending.bells.desired import Bell
from tests.extending.bells.node_part import BellPart
from tests.laws.source import ROOT

NAMES = ("bells.create", "bells.delete", "bells.index", "bells.ring", "bells.show", "versions.index")


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the scenario saw."""
    words = [sys.executable, "-m", "tests.extending.scenario", str(tmp_path_factory.mktemp("bells"))]
    env = {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=120, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_clients_find_it(seen: dict[str, Any]) -> None:
    assert seen["catalog"]["bell"] == f"http://127.0.0.1:{30000 + 9}/v1", "behind the ports that there were"
    assert seen["versions"]["versions"][0]["links"] == [{"rel": "self", "href": "http://127.0.0.1:30009/v1/"}]
    assert seen["one port"] == ["http://127.0.0.1:5000/bell", {"identity": 5000, "metadata": 8775, "link": 7780}]
    assert seen["users"] == ["belfry"]


def test_it_makes_shows_and_rings(seen: dict[str, Any]) -> None:
    assert seen["made"] == [201, ["created_at", "id", "name", "project_id", "rung", "state"]]
    assert seen["rung"] == ["silent", 202, "ringing", 409, "silent"]
    assert seen["too many"] == [201, 201, 403], "its option says three, and one was there"


def test_its_rules_hold_for_each_kind_of_caller(seen: dict[str, Any]) -> None:
    """Nobody, the owner, another project's member, the administrator."""
    assert seen["who may"] == {
        "index": [401, 200, 200, 200],
        "create": [401, 201, 201, 201],
        "show": [401, 200, 403, 200],
        "ring": [401, 202, 403, 202],
        "delete": [401, 204, 403, 204],
        "no such action": [401, 400, 400, 400],
        "not a bell": [401, 404, 404, 404],
        "no name": [401, 400, 400, 400],
    }


def test_documents_and_policy_files_have_it(seen: dict[str, Any]) -> None:
    assert seen["openapi"] == ["/", "/v1/bells", "/v1/bells/{bell_id}", "/v1/bells/{bell_id}/action"]
    assert seen["pages"] == sorted([*(f"{name}.md" for name in NAMES), "index.md"])
    assert len(seen["sample"]) == 5 and all(line.startswith('#"bell:bells:') for line in seen["sample"])


def test_operators_are_told_of_it(seen: dict[str, Any]) -> None:
    (bell,) = seen["explained"]
    assert (bell["kind"], bell["name"], bell["timeline"][0]["event"]) == ("bell", "great", "created")
    assert seen["file"] == "\n# bells that a project may have\nbells_in_a_project = 7\n"
    assert "bells" in seen["kept"]


def test_its_part_on_a_host_can_be_done_again(tmp_path: Path) -> None:
    part, world = BellPart(tmp_path), None
    part.absent("one", world)  # type: ignore[arg-type]
    for _ in range(2):
        assert part.ensure(Bell(id="one", rings=True), world) == {"rings": True}  # type: ignore[arg-type]
        assert part.here() == {"one"}
    assert part.ensure(Bell(id="one"), world) == {"rings": False}  # type: ignore[arg-type]
    for _ in range(2):
        part.absent("one", world)  # type: ignore[arg-type]
    assert part.here() == set()


def test_no_other_place_knows_of_it() -> None:
    assert not any("bells" in name for name in services.SERVICES)
    named = [path for path in (ROOT / "src").rglob("*.py") if "belfry" in path.read_text()]
    assert named == []
