"""Usage: how much of what a project's servers ran, in hours."""

from __future__ import annotations

import httpx
import pytest

from cumulet.services.compute.tables import servers
from tests.services.compute.books import rows
from tests.services.compute.conftest import (
    Nova,
    message,
    new_id,
)
from tests.services.serving import PROJECTS

PATH = "/v2.1/os-simple-tenant-usage"


def ran(nova: Nova, hours: int, *, ago: int = 0) -> list[str]:
    """Three servers that were launched `hours` before they were terminated, which was `ago` hours ago (0: they run)."""
    ids = rows(nova, 3)
    with nova.db.transaction() as tx:
        hour = 3_600_000_000
        ended = {"terminated_at": tx.now - ago * hour, "deleted_at": tx.now - ago * hour} if ago else {}
        for id in ids:
            tx.update_by_key(servers, {"id": id}, launched_at=tx.now - (hours + ago) * hour, **ended)
    return sorted(ids)


def test_of_one_project(nova: Nova, demo: httpx.Client) -> None:
    assert demo.get(f"{PATH}/{PROJECTS['demo']}").json()["tenant_usage"] == {}
    ran(nova, 2)
    usage = demo.get(f"{PATH}/{PROJECTS['demo']}").json()["tenant_usage"]
    assert [row["state"] for row in usage["server_usages"]] == ["active"] * 3
    assert usage["total_hours"] == pytest.approx(6, abs=0.1)
    assert usage["total_memory_mb_usage"] == pytest.approx(6 * 512, abs=60)
    assert usage["server_usages"][0]["uptime"] >= 7200
    assert demo.get(f"{PATH}/{PROJECTS['other']}").status_code == 403


def test_of_all(nova: Nova, demo: httpx.Client, admin: httpx.Client) -> None:
    ran(nova, 1)
    (usage,) = admin.get(PATH).json()["tenant_usages"]
    assert usage["tenant_id"] == PROJECTS["demo"] and "server_usages" not in usage
    (usage,) = admin.get(f"{PATH}?detailed=1").json()["tenant_usages"]
    assert len(usage["server_usages"]) == 3
    assert demo.get(PATH).status_code == 403


def test_only_the_time_that_is_asked_for_counts(nova: Nova, admin: httpx.Client) -> None:
    ran(nova, 2, ago=3)
    (usage,) = admin.get(f"{PATH}?detailed=1").json()["tenant_usages"]
    assert {row["state"] for row in usage["server_usages"]} == {"terminated"}
    assert usage["total_hours"] == pytest.approx(6, abs=0.01)
    began = usage["server_usages"][0]["started_at"]
    half = began[:14] + ("30" if began[14:16] < "30" else "59") + began[16:]
    (usage,) = admin.get(f"{PATH}?start={half}").json()["tenant_usages"]
    assert 3 < usage["total_hours"] < 6
    assert admin.get(f"{PATH}?end={half[:4]}-01-01T00:00:00&start=1970-01-01T00:00:00").json()["tenant_usages"] == []


def test_times_and_markers_that_make_no_sense(admin: httpx.Client) -> None:
    assert admin.get(f"{PATH}?start=yesterday").status_code == 400
    answer = admin.get(f"{PATH}?start=2026-01-02T00:00:00&end=2026-01-01T00:00:00")
    words = "Invalid start time. The start time cannot occur after the end time."
    assert (answer.status_code, message(answer)) == (400, words)
    assert admin.get(f"{PATH}?marker={new_id()}").status_code == 400


def test_in_pages(nova: Nova, admin: httpx.Client) -> None:
    ids = ran(nova, 1)
    seen: list[str] = []
    url: str | None = f"{PATH}?detailed=1&limit=2"
    while url is not None:
        body = admin.get(url).json()
        seen += [row["instance_id"] for usage in body["tenant_usages"] for row in usage["server_usages"]]
        url = {link["rel"]: link["href"] for link in body.get("tenant_usages_links", [])}.get("next")
    assert seen == ids
