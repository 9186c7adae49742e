"""The documents that follow from the declared operations: valid, complete, and served."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from schemathesis.specs.openapi import definitions

from cumulet.cli import docs
from cumulet.cli.controller import declared, loaders
from cumulet.http.openapi import document, template
from tests.assembled import Assembled

SERVICES = sorted(loaders())


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Assembled]:
    found = Assembled(tmp_path_factory.mktemp("contract") / "state")
    yield found
    found.close()


@pytest.fixture(scope="module", params=SERVICES)
def described(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    plain = msgspec.json.decode(msgspec.json.encode(document(declared()[request.param])))
    return request.param, plain


def test_the_document_is_openapi(described: tuple[str, dict[str, Any]]) -> None:
    errors = [error.message for error in definitions.OPENAPI_31_VALIDATOR.iter_errors(described[1])]
    assert errors == []
    broken = {**described[1], "paths": {"no slash": {}}}
    assert not definitions.OPENAPI_31_VALIDATOR.is_valid(broken)


def test_every_reference_leads_somewhere(described: tuple[str, dict[str, Any]]) -> None:
    def references(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            yield from (v for k, v in value.items() if k == "$ref" and isinstance(v, str))
            value = list(value.values())
        if isinstance(value, list):
            for item in value:
                yield from references(item)

    for reference in set(references(described[1])):
        found = described[1]
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]
        assert found


def test_every_operation_is_in_it_once(described: tuple[str, dict[str, Any]]) -> None:
    name, found = described
    entries = []
    for whole in (entry for item in found["paths"].values() for entry in item.values()):
        entries += whole.get("x-openstack-actions", {"": whole}).values()
    identities = [entry["operationId"] for entry in entries]
    assert len(identities) == len(set(identities))
    earlier = sum(len(entry.get("x-openstack-earlier", [])) for entry in entries)
    assert len(entries) + earlier == len(declared()[name].operations)


def test_every_operation_says_what_it_takes_and_answers(described: tuple[str, dict[str, Any]]) -> None:
    wanting = []
    for path, item in described[1]["paths"].items():
        for method, entry in item.items():
            inside = {p["name"] for p in entry["parameters"] if p["in"] == "path"}
            statuses = entry["responses"]
            if not (
                entry["summary"].endswith(".")
                and all("{" + name + "}" in path for name in inside)
                and path.count("{") == len(inside)
                and any(status < "400" for status in statuses)
                and ("401" in statuses or not entry["security"])
                and (method not in ("post", "patch") or "requestBody" in entry or "409" in statuses)
            ):
                wanting.append(f"{method} {path}")
    assert wanting == []


def test_fields_and_operations_have_their_windows() -> None:
    found = msgspec.json.decode(msgspec.json.encode(document(declared()["compute"])))
    server = found["components"]["schemas"]["NewServer"]["properties"]
    assert server["description"]["x-openstack-min-version"] == "2.19"
    assert server["personality"]["x-openstack-max-version"] == "2.56"
    assert found["paths"]["/v2.1/servers/{server_id}/tags"]["get"]["x-openstack-min-version"] == "2.26"
    placement = msgspec.json.decode(msgspec.json.encode(document(declared()["placement"])))
    put = placement["paths"]["/resource_providers/{provider}/aggregates"]["put"]
    assert put["x-openstack-min-version"] == "1.19"
    assert put["x-openstack-earlier"][0]["x-openstack-max-version"] == "1.18"


def test_each_service_serves_its_document(cloud: Assembled) -> None:
    for name, service in cloud.services.items():
        answer = cloud.ask(name, "GET", "/openapi.json")
        assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
        assert {template(o.path) for o in service.operations} >= set(answer.json["paths"])
        assert cloud.ask(name, "PUT", "/openapi.json").status in (404, 405)
    for closed in ("link", "metadata"):
        assert cloud.ask(closed, "GET", "/openapi.json").status != 200


def test_there_is_a_page_of_reference_for_each_operation(tmp_path: Path) -> None:
    count = docs.write(tmp_path)
    for name, service in declared().items():
        found = json.loads((tmp_path / name / "openapi.json").read_text())
        index = (tmp_path / name / "index.md").read_text()
        assert len(found["paths"]) > 10
        for operation in service.operations:
            assert operation.summary in index or operation.until, operation.name
        for page in (tmp_path / name).glob("*.md"):
            text = page.read_text()
            assert page.name == "index.md" or ("\n## Answers\n" in text and "\n## Parameters\n" in text)
    assert count == len(list(tmp_path.rglob("*.md")))
