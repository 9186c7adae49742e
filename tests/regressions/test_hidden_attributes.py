"""What an answer leaves out cannot be asked for by a filter, an order or a marker: finding S15 (case 50).

The lists are those that the services declare, the names all columns of their tables and all attributes that an
administrator is shown: a new list, column or attribute is covered without anybody thinking of it.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from sqlalchemy import Table, select

from cumulet.cli.controller import loaders
from tests.regressions.tenants import Tenant, Tenants, new_id, words

OWN = {
    "id": "some nouns of image have names instead; theirs is random",
    "ip_address": "shown in fixed_ips",
    "launch_index": "Nova sorts by it for all; a guest reads it in its metadata",
    "locked_by": "Nova sorts by it for all; the lock itself is shown",
    "root_device_name": "Nova sorts by it for all; the same for all servers",
    "ramdisk_id": "Nova sorts by it for all; what the own image named",
    "reservation_id": "Nova filters by it for all; told at creation, and a guest reads it",
    "image_ref": "shown as the image",
    "instance_type_id": "shown as the flavor",
}
"""Names by which a list is asked although no attribute of the answer has them, and why that is well."""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenants]:
    found = Tenants(tmp_path_factory.mktemp("hidden") / "state", hosts=3)
    populate(found)
    yield found
    found.close()


def populate(cloud: Tenants) -> None:
    """Things of bob's that differ in what he is not shown: hosts, VNIs, what the tables hold beside."""
    bob, image = cloud.bob, cloud.bob.image()
    for number in range(3):
        network = bob.make("network", "/v2.0/networks", {"network": {"name": f"net-{number}"}})["id"]
        cidr = f"10.{number}.0.0/24"
        bob.make("network", "/v2.0/subnets", {"subnet": {"network_id": network, "ip_version": 4, "cidr": cidr}})
        bob.make("network", "/v2.0/routers", {"router": {"name": f"r-{number}"}})
        assert bob.server(image, name=f"vm-{number}", networks=[{"uuid": network}]).status == 202
        bob.image(name=f"i-{number}", note=f"n-{number}")
    hosts = {port["binding:host_id"] for port in cloud.operator.get("network", "/v2.0/ports")["ports"]}
    assert len(hosts - {""}) > 1, "the tests need ports on several hosts"


def lists(service: str) -> list[str]:
    """Paths of all lists that need nothing to be named."""
    return sorted({one.path for one in loaders()[service]().operations if one.method == "GET" and "{" not in one.path})


def items(body: Any) -> list[dict[str, Any]]:
    """What a list holds."""
    found = [value for value in body.values() if isinstance(value, list)] if isinstance(body, dict) else []
    return [item for value in found for item in value if isinstance(item, dict)]


def columns(service: str, db: Any) -> dict[str, list[str]]:
    """Every column of a service's tables with some of its values."""
    module = importlib.import_module(f"cumulet.services.{service}.tables")
    found: dict[str, list[str]] = {}
    with db.read() as tx:
        for table in {value for value in vars(module).values() if isinstance(value, Table)}:
            for column in table.c:
                rows = tx.rows(select(column).where(column.is_not(None)).distinct().limit(3))
                found.setdefault(column.name, []).extend(str(row[0])[:100] for row in rows)
    return found


def told(tenant: Tenant, service: str, path: str, **query: str) -> tuple[int, str]:
    """Status and body of a list, without what repeats the question."""
    answer = tenant.ask(service, "GET", path, query=urlencode(query))
    if answer.status >= 400:
        return answer.status, ""
    body = answer.json
    kept = {key: value for key, value in body.items() if not key.endswith("_links") and key not in ("first", "next")}
    return answer.status, json.dumps(kept, sort_keys=True)


def shown(cloud: Tenants, service: str) -> dict[str, set[str]]:
    """What bob is shown in lists of each kind of thing: a list with details shows what the one without leaves out."""
    found: dict[str, set[str]] = {}
    for path in lists(service):
        status, body = told(cloud.bob, service, path)
        for key, value in json.loads(body).items() if status == 200 else ():
            if isinstance(value, list):
                found.setdefault(key, set()).update(*(item for item in value if isinstance(item, dict)))
    return found


def leaks_of(cloud: Tenants, service: str, path: str, names: dict[str, list[str]], known: set[str]) -> list[str]:
    """Names by which the answer depends on what is asked."""
    leaks = []
    plain = {told(cloud.bob, service, path, sort_dir=way) for way in ("asc", "desc")} | {(400, ""), (403, "")}
    for name in names.keys() - known - OWN.keys():
        narrowed = {told(cloud.bob, service, path, **{name: value}) for value in {*names[name][:3], new_id()}}
        ordered = {told(cloud.bob, service, path, sort_key=name, sort_dir=way) for way in ("asc", "desc")}
        if len({answer for answer in narrowed if answer[0] < 400}) > 1:
            leaks.append(f"{path}?{name}=")
        if not ordered <= plain:
            leaks.append(f"{path}?sort_key={name}")
    return leaks


@pytest.mark.parametrize("service", ["network", "compute", "image"])
def test_no_list_answers_to_what_it_does_not_show(cloud: Tenants, service: str) -> None:
    """Finding S15: each name that a member's answers lack narrows and orders nothing, or is refused."""
    leaks, asked = [], 0
    by_column, by_kind = columns(service, cloud.controller.db), shown(cloud, service)
    for path in lists(service):
        status, body = told(cloud.bob, service, path)
        kinds = [kind for kind in by_kind if status == 200 and kind in json.loads(body)]
        if not any(by_kind[kind] for kind in kinds):
            continue
        known = {key for kind in kinds for key in by_kind[kind]}
        known |= {key.rpartition(":")[2] for key in known}
        names = dict(by_column)
        for item in items(cloud.operator.get(service, path)):
            for key, value in item.items():
                names[key] = [*names.get(key, []), str(value)]
        asked += len(names.keys() - known - OWN.keys())
        leaks += leaks_of(cloud, service, path, names, known)
    assert sorted(leaks) == []
    assert asked > 30, "the test has to find lists and names"


@pytest.mark.parametrize(
    "query",
    [
        *("host=sim-0003", "binding:host_id=sim-0003", "link_id=x", "by_compute=true", "binding:vif_type=bridge"),
        *("sort_key=host&sort_dir=asc", "sort_key=binding:host_id&sort_dir=asc", "sort_key=link_id&sort_dir=asc"),
    ],
)
def test_ports_by_host(cloud: Tenants, query: str) -> None:
    """Finding S15, case 50: the report's requests."""
    answer = cloud.bob.ask("network", "GET", "/v2.0/ports", query=quote(query, safe="=&"))
    name, _, value = query.split("&")[0].partition("=")
    what = f"['{value}'] is invalid attribute for sort_key" if name == "sort_key" else None
    assert (answer.status, words(answer)) == (400, what or f"['{name}'] is invalid attribute for filtering")


@pytest.mark.parametrize(
    "query",
    [
        *("provider:segmentation_id=4", "provider:network_type=vxlan", "provider:physical_network=x", "kind=vxlan"),
        *("segmentation_id=4", "physical_network=x", "sort_key=provider:segmentation_id&sort_dir=asc"),
    ],
)
def test_networks_by_segment(cloud: Tenants, query: str) -> None:
    """Finding S15, case 50: the report's requests."""
    answer = cloud.bob.ask("network", "GET", "/v2.0/networks", query=quote(query, safe="=&"))
    assert answer.status == 400 and "is invalid attribute for" in words(answer)


def test_the_administrator_asks_by_what_is_shown(cloud: Tenants) -> None:
    """The same filters work for who sees the attributes."""
    for port in cloud.operator.get("network", "/v2.0/ports")["ports"]:
        if host := port["binding:host_id"]:
            found = cloud.operator.get("network", f"/v2.0/ports?binding%3Ahost_id={host}")["ports"]
            assert port["id"] in [one["id"] for one in found] and {one["binding:host_id"] for one in found} == {host}
    networks = cloud.operator.get("network", "/v2.0/networks?provider%3Anetwork_type=vxlan")["networks"]
    number = networks[0]["provider:segmentation_id"]
    found = cloud.operator.get("network", f"/v2.0/networks?provider%3Asegmentation_id={number}")["networks"]
    assert [one["id"] for one in found] == [networks[0]["id"]]
    path = "/v2.0/networks?sort_key=provider%3Asegmentation_id&sort_dir=desc"
    numbers = [one["provider:segmentation_id"] or 0 for one in cloud.operator.get("network", path)["networks"]]
    assert numbers == sorted(numbers, reverse=True)


@pytest.mark.parametrize("key", ["host", "node"])
def test_servers_in_the_order_of_hosts(cloud: Tenants, key: str) -> None:
    """Finding S15, case 50: Nova's answer; other members' names of hosts narrow nothing."""
    answer = cloud.bob.ask("compute", "GET", f"/v2.1/servers?sort_key=name&sort_key={key}".replace("name", "uuid"))
    assert (answer.status, words(answer)) == (403, f"Only administrators can sort servers by {key}")
    assert cloud.operator.ask("compute", "GET", f"/v2.1/servers?sort_key={key}").status == 200
    everything = {one["id"] for one in cloud.bob.get("compute", "/v2.1/servers")["servers"]}
    for host in ("sim-0001", "nowhere"):
        assert {one["id"] for one in cloud.bob.get("compute", f"/v2.1/servers?{key}={host}")["servers"]} == everything


def test_a_marker_is_something_that_the_caller_sees(cloud: Tenants) -> None:
    """Finding S15: where a hidden row stands in an order tells what it holds."""
    hidden = cloud.alice.make("network", "/v2.0/networks", {"network": {"name": "net-1-secret"}})["id"]
    path = f"/v2.0/networks?limit=1&sort_key=name&sort_dir=asc&marker={hidden}"
    assert cloud.bob.ask("network", "GET", path).status == 404
    assert cloud.alice.ask("network", "GET", path).status == 200
    flavor = {"name": "of alice", "ram": 96, "vcpus": 1, "disk": 1, "os-flavor-access:is_public": False}
    hidden = cloud.operator.make("compute", "/v2.1/flavors", {"flavor": flavor})["id"]
    answer = cloud.bob.ask("compute", "GET", f"/v2.1/flavors?sort_key=memory_mb&marker={hidden}")
    assert (answer.status, words(answer)) == (400, f"marker [{hidden}] not found")
