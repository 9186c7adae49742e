"""The list of what OpenStack has and Cumulet has not is made from what is declared: it shrinks by itself."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from cumulet.cli import docs
from cumulet.cli.absent import absent
from cumulet.cli.controller import declared
from cumulet.http import Service


@pytest.fixture(scope="module")
def services() -> dict[str, Service]:
    return declared()


def names(services: dict[str, Service], service: str) -> set[str]:
    return {" ".join(row.values()) for row in absent(services)[service]}


def test_what_is_there_is_not_in_it_and_what_is_not_is(services: dict[str, Service]) -> None:
    compute = names(services, "compute")
    assert {
        "POST /servers/{server_id}/action resize",
        "POST /servers/{server_id}/action lock",
        "POST /os-server-groups",
        "POST /os-aggregates/{aggregate_id}/action add_host",
    } <= compute
    assert (
        not {
            "GET /servers",
            "GET /servers/{server_id}",
            "POST /servers/{server_id}/action os-start",
            "POST /servers/{server_id}/action os-getConsoleOutput",
            "POST /flavors/{flavor_id}/action addTenantAccess",
            "PUT /servers/{server_id}/tags/{tag}",
        }
        & compute
    )
    network = names(services, "network")
    assert {"POST /v2.0/trunks", "POST /v2.0/subnetpools", "POST /v2.0/qos/policies"} <= network
    assert not {"POST /v2.0/networks", "PUT /v2.0/{resource_type}/{resource_id}/tags/{tag}"} & network
    assert not {"GET /v3/users", "POST /v3/auth/tokens"} & names(services, "identity")
    assert "GET /v2/images" not in names(services, "image")


def test_an_operation_that_appears_leaves_it(services: dict[str, Service]) -> None:
    later = copy.copy(services["compute"])
    groups = next(each for each in later.operations if each.path == "/v2.1/servers" and each.method == "POST")
    added = copy.copy(groups)
    object.__setattr__(added, "path", "/v2.1/os-server-groups")
    resize = copy.copy(next(each for each in later.operations if each.action == "os-start"))
    object.__setattr__(resize, "action", "resize")
    later.operations = [*later.operations, added, resize]
    gone = names(services, "compute") - names({"compute": later}, "compute")
    assert gone == {"POST /os-server-groups", "POST /servers/{server_id}/action resize"}


def test_it_is_written_for_programs_and_for_people(services: dict[str, Service], tmp_path: Path) -> None:
    docs.write(tmp_path)
    found = json.loads((tmp_path / "absent.json").read_text())
    assert found == absent(services) and set(found) == set(services)
    assert "- `POST /servers/{server_id}/action` resize" in (tmp_path / "absent.md").read_text()
