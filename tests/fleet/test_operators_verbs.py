"""What the operator's own verbs take over the link in a simulated cloud."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cumulet.engine import jobs
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


def test_explain_tells_how_far_work_with_io_is(cloud: Assembled) -> None:
    """While it waits, and while somebody works at it; not when it has ended."""
    image = {"name": "i", "disk_format": "raw", "container_format": "bare"}
    made = cloud.ask("image", "POST", "/v2/images", body=image, token=cloud.member).json["id"]
    db = cloud.controller.db

    def awaited() -> list[str]:
        (subject,) = operator(cloud, "GET", f"explain/{made}").json["subjects"]
        return [text.partition(", at the latest until ")[0] for text in subject["waits_for"]]

    with db.transaction() as tx:
        jobs.put(tx, "image_import", made, {})
        (row,) = jobs.due(tx, "image_import", 1)
    assert awaited() == ["image_import is waiting (tried 0 times)"]
    with db.transaction() as tx:
        word = jobs.claim(tx, row, "somebody")
        assert word and jobs.beat(tx, jobs.job_of(row), word, {"fetched": 7})
    assert awaited() == ["image_import is under way (try 1), fetched 7"]
    with db.transaction() as tx:
        assert jobs.put_off(tx, row, word, 60, "the store is away")
    assert awaited() == ["image_import is waiting (tried 1 times), fetched 7; last: the store is away"]
    with db.transaction() as tx:
        assert jobs.end(tx, row, None, "it is gone", keep_s=60)
    assert awaited() == []
