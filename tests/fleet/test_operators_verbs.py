"""What the operator's own verbs take over the link in a simulated cloud."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.assembled import Answer, Assembled


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Assembled]:
    made = Assembled(tmp_path / "state")
    yield made
    made.close()


def operator(cloud: Assembled, method: str, path: str, body: Any = b"") -> Answer:
    head = {"authorization": f"Bearer {cloud.settings.secret('operator_secret')}"}
    return cloud.ask("link", method, f"/v1/{path}", body=body, headers=head)


def test_a_fault_of_everything_can_be_taken_back(cloud: Assembled) -> None:
    """The link is how it is taken back, and how nodes live."""
    token = cloud.member
    assert operator(cloud, "POST", "simulation", {"fault": {"operation": "*", "status": 500}}).status == 200
    assert cloud.ask("compute", "GET", "/v2.1/servers", token=token).status == 500
    assert operator(cloud, "GET", "status").status == 200
    assert cloud.controller.app.on_demand is not None
    assert operator(cloud, "POST", "simulation", {"fault": {"operation": "link:*", "status": 500}}).status == 400
    cloud.controller.app.on_demand.clear()
    assert cloud.ask("compute", "GET", "/v2.1/servers", token=token).status == 200


@pytest.mark.parametrize("name", ["../x", "..", "a/b", ".x", "a" * 64, "x\n", "", "\N{ARABIC-INDIC DIGIT THREE}"])
def test_a_snapshot_is_a_folder_below_its_own(cloud: Assembled, name: str) -> None:
    assert cloud.controller.app.watchers.pop(), "the audit log is not what this is about"  # type: ignore[truthy-function]
    before = sorted(cloud.settings.state.rglob("*"))
    for path in ("snapshots", "reset"):
        assert operator(cloud, "POST", path, {"name": name}).status == 400
    assert sorted(cloud.settings.state.rglob("*")) == before
