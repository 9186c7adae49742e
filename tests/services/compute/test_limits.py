"""Limits: a project's quotas and what is used of them."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.services.compute.conftest import (
    Nova,
)
from tests.services.serving import PROJECTS


def absolute(client: httpx.Client, query: str = "") -> dict[str, Any]:
    answer = client.get(f"/v2.1/limits{query}")
    assert answer.status_code == 200, answer.text
    assert answer.json()["limits"]["rate"] == []
    return dict(answer.json()["limits"]["absolute"])


def test_what_is_used(nova: Nova, demo: httpx.Client, admin: httpx.Client) -> None:
    nova.active(demo)
    admin.put(f"/v2.1/os-quota-sets/{PROJECTS['demo']}", json={"quota_set": {"instances": 2}})
    found = absolute(demo)
    assert (found["maxTotalInstances"], found["totalInstancesUsed"], found["totalRAMUsed"]) == (2, 1, 512)
    admin.delete(f"/v2.1/os-quota-sets/{PROJECTS['demo']}")
    assert absolute(demo)["maxTotalInstances"] == 10


def test_another_projects(nova: Nova, demo: httpx.Client, admin: httpx.Client) -> None:
    nova.active(demo)
    query = f"?tenant_id={PROJECTS['demo']}"
    assert absolute(admin)["totalInstancesUsed"] == 0
    assert absolute(admin, query)["totalInstancesUsed"] == 1
    assert absolute(demo, query)["totalInstancesUsed"] == 1
    with nova.client("other") as other:
        assert other.get(f"/v2.1/limits{query}").status_code == 403


@pytest.mark.parametrize(
    ("version", "name", "there"),
    [
        ("2.35", "maxSecurityGroups", True),
        ("2.36", "maxSecurityGroups", False),
        ("2.38", "maxImageMeta", True),
        ("2.39", "maxImageMeta", False),
        ("2.56", "maxPersonality", True),
        ("2.57", "maxPersonality", False),
    ],
)
def test_names_that_newer_versions_have_not(nova: Nova, version: str, name: str, there: bool) -> None:
    with nova.client("demo", version) as client:
        assert (name in absolute(client)) is there
