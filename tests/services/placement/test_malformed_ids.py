"""Ids that are none, in every place of a request, and what placement says of them: JSON Schema's words for bodies and
the query's `uuid` (placement/schemas), its own for the rest (placement/util.py, placement/handlers)."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

GOOD = "11111111-1111-4111-8111-111111111111"
BAD = [
    "x",
    "",
    "1" * 31,
    "1" * 33,
    GOOD + "0",
    GOOD.replace("1", "g", 1),
    GOOD + "\n",
]
REGEX = "'^[0-9a-fA-F-]{36}$'"


def said(answer: httpx.Response) -> str:
    assert answer.status_code == 400, answer.text
    return str(answer.json()["errors"][0]["detail"])


def at(version: str) -> dict[str, str]:
    return {"OpenStack-API-Version": f"placement {version}"}


def schema_words(problem: str, validator: str, *path: str | int) -> re.Pattern[str]:
    instance = "".join(f"[{step!r}]" for step in path)
    return re.compile(
        re.escape(f"{problem}\n\nFailed validating '{validator}' in schema")
        + ".*"
        + re.escape(f"On instance{instance}:\n"),
        re.S,
    )


@pytest.mark.parametrize("bad", BAD)
def test_in_bodies(api: httpx.Client, bad: str) -> None:
    none = f"{bad!r} is not a 'uuid'"
    made = {"name": "a", "uuid": bad}
    assert schema_words(none, "format", "uuid").search(said(api.post("/resource_providers", json=made)))
    child = {"name": "b", "parent_provider_uuid": bad}
    answer = api.post("/resource_providers", json=child, headers=at("1.39"))
    problem = f"{bad!r} is not valid under any of the given schemas"
    assert schema_words(problem, "anyOf", "parent_provider_uuid").search(said(answer))
    api.post("/resource_providers", json={"name": "c", "uuid": GOOD})
    path = f"/resource_providers/{GOOD}/aggregates"
    answer = api.put(path, json=[GOOD, bad], headers=at("1.18"))
    assert schema_words(none, "format", 1).search(said(answer))
    body: dict[str, Any] = {"aggregates": [bad], "resource_provider_generation": 0}
    answer = api.put(path, json=body, headers=at("1.19"))
    assert schema_words(none, "format", "aggregates", 0).search(said(answer))
    listed = {"allocations": [{"resource_provider": {"uuid": bad}, "resources": {"VCPU": 1}}]}
    answer = api.put(f"/allocations/{GOOD}", json=listed, headers=at("1.0"))
    expected = schema_words(none, "format", "allocations", 0, "resource_provider", "uuid")
    assert expected.search(said(answer))


@pytest.mark.parametrize("bad", BAD)
def test_as_names_in_bodies(api: httpx.Client, bad: str) -> None:
    unlike = f"{bad!r} does not match any of the regexes: {REGEX}"
    holding: dict[str, Any] = {"allocations": {bad: {"resources": {"VCPU": 1}}}, "project_id": "p", "user_id": "u"}
    answer = api.put(f"/allocations/{GOOD}", json=holding, headers=at("1.12"))
    assert schema_words(unlike, "additionalProperties", "allocations").search(said(answer))
    holding["allocations"] = {}
    answer = api.post("/allocations", json={bad: holding}, headers=at("1.13"))
    assert schema_words(unlike, "additionalProperties").search(said(answer))


@pytest.mark.parametrize("bad", [each for each in BAD if each and "\n" not in each])
def test_in_paths_and_queries(api: httpx.Client, bad: str) -> None:
    holding = {"allocations": {}, "project_id": "p", "user_id": "u", "consumer_generation": None}
    answer = api.put(f"/allocations/{bad}", json=holding, headers=at("1.28"))
    assert f"Malformed consumer_uuid: {bad}" in said(answer)
    none = f"Invalid query string parameters: {bad!r} is not a 'uuid'"
    for name in ("uuid", "in_tree"):
        answer = api.get("/resource_providers", params={name: bad}, headers=at("1.14"))
        assert schema_words(none, "format", name).search(said(answer))
    answer = api.get("/resource_providers", params={"member_of": bad}, headers=at("1.3"))
    words = f"Invalid query string parameters: Expected 'member_of' parameter to contain valid UUID(s). Got: {bad}"
    assert words in said(answer)
    asked = {"resources": "VCPU:1", "in_tree": bad}
    answer = api.get("/allocation_candidates", params=asked, headers=at("1.31"))
    words = f"Invalid query string parameters: Expected 'in_tree' parameter to be a format of uuid. Got: {bad}"
    assert words in said(answer)
    for answer in (api.get(f"/resource_providers/{bad}"), api.delete(f"/resource_providers/{bad}")):
        assert answer.status_code == 404 and f"No resource provider with uuid {bad} found" in answer.text


@pytest.mark.parametrize("text", [GOOD.upper(), GOOD.replace("-", ""), f"{{{GOOD}}}", f"urn:uuid:{GOOD}"])
def test_every_spelling_of_a_good_one(api: httpx.Client, text: str) -> None:
    """oslo.utils' `is_uuid_like`."""
    assert api.post("/resource_providers", json={"name": "a", "uuid": text}).status_code in (200, 201)
    assert api.get("/resource_providers", params={"uuid": text}).json()["resource_providers"][0]["uuid"] == GOOD
