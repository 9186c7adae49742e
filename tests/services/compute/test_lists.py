"""Lists of servers: filters, order and paging, by example and by property."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cumulet.services.compute.model import quotas
from cumulet.services.compute.tables import servers, usages
from tests.services.compute.conftest import IMAGE, Nova, message, new_id, show
from tests.services.serving import PROJECTS


def rows(nova: Nova, count: int, **values: Any) -> list[str]:
    """Servers written straight into the table, a second apart; their ids, oldest first."""
    ids = []
    with nova.db.transaction() as tx:
        for index in range(count):
            row = {
                "id": new_id(),
                "project_id": PROJECTS["demo"],
                "user_id": "demo".ljust(32, "0"),
                "name": f"vm-{index:04d}",
                "hostname": f"vm-{index:04d}",
                "vm_state": "active",
                "host": "compute1",
                "link_id": nova.node.link_id,
                "image_id": IMAGE,
                "flavor_id": "1",
                "flavor": {"name": "m1.tiny", "disk": 1, "ephemeral": 0, "swap": 0, "extra_specs": {}},
                "vcpus": 1,
                "ram": 512,
                "meta": {"n": str(index)},
                "personality": [],
                "reservation_id": "r-x",
                "seed": "s",
                "created_at": tx.now + index * 1_000_000,
                "updated_at": tx.now + index * 1_000_000,
                "launched_at": tx.now,
                "power_state": 1,
                **values,
            }
            tx.insert(servers, row)
            ids.append(row["id"])
        tx.upsert(usages, {"project_id": PROJECTS["demo"]}, instances=count, cores=count, ram=512 * count)
    return ids


def names(client: httpx.Client, query: str) -> list[str]:
    answer = client.get(f"/v2.1/servers?{query}")
    assert answer.status_code == 200, answer.text
    return [server["name"] for server in answer.json()["servers"]]


def test_newest_first_and_in_pages(nova: Nova, demo: httpx.Client) -> None:
    ids = rows(nova, 7)
    seen: list[str] = []
    url: str | None = "/v2.1/servers?limit=3"
    while url is not None:
        body = demo.get(url).json()
        seen += [server["id"] for server in body["servers"]]
        links = {link["rel"]: link["href"] for link in body.get("servers_links", [])}
        url = links.get("next")
    assert seen == list(reversed(ids))
    answer = demo.get("/v2.1/servers?marker=nope")
    assert (answer.status_code, message(answer)) == (400, "marker [nope] not found")
    assert demo.get("/v2.1/servers?limit=-1").status_code == 400
    assert names(demo, "limit=0") == []


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    states=st.lists(st.sampled_from(["active", "stopped", "error", "building"]), min_size=1, max_size=12),
    limit=st.integers(1, 5),
    key=st.sampled_from(["display_name", "created_at", "vm_state", "uuid", "availability_zone"]),
    direction=st.sampled_from(["asc", "desc"]),
    status=st.sampled_from(["", "ACTIVE", "SHUTOFF", "ERROR", "BUILD"]),
)
def test_pages_add_up_to_the_list(
    nova: Nova, demo: httpx.Client, states: list[str], limit: int, key: str, direction: str, status: str
) -> None:
    with nova.db.transaction() as tx:
        tx.delete(servers, servers.c.number > 0)
    expected = 0
    vm_states = {"ACTIVE": "active", "SHUTOFF": "stopped", "ERROR": "error", "BUILD": "building"}
    for state in states:
        rows(nova, 1, vm_state=state, name="same", availability_zone=None if state == "error" else "nova")
        expected += status == "" or vm_states[status] == state
    query = f"sort_key={key}&sort_dir={direction}" + (f"&status={status}" if status else "")
    whole = [s["id"] for s in demo.get(f"/v2.1/servers?{query}").json()["servers"]]
    assert len(whole) == len(set(whole)) == expected
    paged: list[str] = []
    while True:
        marker = f"&marker={paged[-1]}" if paged else ""
        page = demo.get(f"/v2.1/servers?{query}&limit={limit}{marker}").json()["servers"]
        paged += [s["id"] for s in page]
        if len(page) < limit:
            break
    assert paged == whole


def test_filters(nova: Nova, demo: httpx.Client, admin: httpx.Client) -> None:
    a = nova.active(demo, "alpha", tags=["red", "blue"], metadata={"x": "1"})
    b = nova.create(demo, "beta-1", tags=["red"])
    nova.create(demo, "beta.2")
    address = show(demo, a)["addresses"]["private"][0]["addr"]
    cases = {
        "name=^beta": {"beta-1", "beta.2"},
        "name=beta.2": {"beta.2"},
        "name=BETA": {"beta-1", "beta.2"},
        "name=^B.*[0-9]$": {"beta-1", "beta.2"},
        "name=alpha|beta-1": {"alpha", "beta-1"},
        "name=(a*)*$": {"alpha", "beta-1", "beta.2"},
        "status=ACTIVE": {"alpha"},
        "status=BUILD": {"beta-1", "beta.2"},
        "status=active&status=build": {"alpha", "beta-1", "beta.2"},
        "status=nonsense": set(),
        "flavor=1": {"alpha", "beta-1", "beta.2"},
        "flavor=9": set(),
        f"image={IMAGE}": {"alpha", "beta-1", "beta.2"},
        f"ip=^{address}$": {"alpha"},
        "tags=red": {"alpha", "beta-1"},
        "tags=red,blue": {"alpha"},
        "not-tags=red": {"beta.2"},
        "tags-any=blue,green": {"alpha"},
        "changes-since=2020-01-01T00:00:00Z": {"alpha", "beta-1", "beta.2"},
        "changes-since=2099-01-01T00:00:00Z": set(),
        "changes-before=2020-01-01T00:00:00Z": set(),
        "locked=true": set(),
        "vm_state=building": {"beta-1", "beta.2"},
    }
    for query, expected in cases.items():
        assert set(names(demo, query)) == expected, query
    assert set(names(admin, "all_tenants=1&host=compute1&name=alpha")) == {"alpha"}
    assert names(admin, "host=compute1") == []
    assert set(names(admin, f"project_id={PROJECTS['demo']}&uuid={b}")) == {"beta-1"}
    assert demo.get("/v2.1/servers?colour=red").status_code == 400
    assert demo.get("/v2.1/servers?changes-since=yesterday").status_code == 400
    assert demo.get("/v2.1/servers?sort_key=secret").status_code == 400
    with nova.client("demo", "2.1") as old:
        assert len(names(old, "colour=red&host=nowhere&tags=red")) == 3


def test_deleted_servers(nova: Nova, demo: httpx.Client, admin: httpx.Client) -> None:
    server_id = nova.active(demo)
    demo.delete(f"/v2.1/servers/{server_id}")
    nova.node.work()
    assert names(demo, "") == []
    assert names(demo, "changes-since=2020-01-01T00:00:00Z") == ["vm"]
    assert demo.get("/v2.1/servers?status=DELETED").status_code == 403
    found = admin.get("/v2.1/servers/detail?all_tenants=1&deleted=True").json()["servers"]
    assert [(s["id"], s["status"], s["hostId"] != "") for s in found] == [(server_id, "DELETED", True)]
    actions = demo.get(f"/v2.1/servers/{server_id}/os-instance-actions").json()["instanceActions"]
    assert [action["action"] for action in actions] == ["delete", "create"]


@pytest.mark.parametrize("version", ["2.1", "2.96"])
def test_detail_of_a_thousand_takes_few_queries(nova: Nova, version: str) -> None:
    rows(nova, 1000)
    with nova.client("demo", version) as client:
        client.get("/v2.1/servers/detail?limit=1")
        nova.served.statements.clear()
        body = client.get("/v2.1/servers/detail").json()
        assert len(body["servers"]) == 1000
        assert sum(nova.served.statements) <= 6, nova.served.statements


FIRST = {
    "id",
    "name",
    "status",
    "tenant_id",
    "user_id",
    "metadata",
    "hostId",
    "image",
    "flavor",
    "created",
    "updated",
    "addresses",
    "accessIPv4",
    "accessIPv6",
    "links",
    "OS-DCF:diskConfig",
    "progress",
    "OS-EXT-AZ:availability_zone",
    "config_drive",
    "key_name",
    "OS-SRV-USG:launched_at",
    "OS-SRV-USG:terminated_at",
    "security_groups",
    "OS-EXT-STS:task_state",
    "OS-EXT-STS:vm_state",
    "OS-EXT-STS:power_state",
    "os-extended-volumes:volumes_attached",
}
LATER = {
    "locked",
    "locked_reason",
    "description",
    "tags",
    "trusted_image_certificates",
    "server_groups",
    "OS-EXT-SRV-ATTR:hostname",
    "pinned_availability_zone",
}
ADMIN = {
    "host_status",
    "OS-EXT-SRV-ATTR:host",
    "OS-EXT-SRV-ATTR:instance_name",
    "OS-EXT-SRV-ATTR:hypervisor_hostname",
    "OS-EXT-SRV-ATTR:reservation_id",
    "OS-EXT-SRV-ATTR:launch_index",
    "OS-EXT-SRV-ATTR:kernel_id",
    "OS-EXT-SRV-ATTR:ramdisk_id",
    "OS-EXT-SRV-ATTR:root_device_name",
    "OS-EXT-SRV-ATTR:user_data",
}


def test_fields_at_the_first_and_the_last_version(nova: Nova, demo: httpx.Client, admin: httpx.Client) -> None:
    server_id = nova.active(demo)
    with nova.client("demo", "2.1") as old, nova.client("admin", "2.1") as old_admin:
        first = show(old, server_id)
        assert set(first) == FIRST
        assert first["flavor"]["id"] == "1" and first["description" if "description" in first else "id"]
        assert set(show(old_admin, server_id)) == FIRST | {name for name in ADMIN if name.count("_") <= 1} - {
            "host_status",
            "OS-EXT-SRV-ATTR:reservation_id",
            "OS-EXT-SRV-ATTR:launch_index",
            "OS-EXT-SRV-ATTR:kernel_id",
            "OS-EXT-SRV-ATTR:ramdisk_id",
            "OS-EXT-SRV-ATTR:user_data",
        }
    last = show(demo, server_id)
    assert set(last) == FIRST | LATER
    assert set(last["flavor"]) == {"vcpus", "ram", "disk", "ephemeral", "swap", "original_name", "extra_specs"}
    assert set(show(admin, server_id)) == FIRST | LATER | ADMIN


def test_a_create_takes_as_many_statements_however_many_servers_there_are(nova: Nova) -> None:
    counts = []
    with nova.db.transaction() as tx:
        quotas.set_limits(tx, PROJECTS["demo"], {"instances": -1, "cores": -1, "ram": -1})
    for already in (1, 100):
        rows(nova, already)
        with nova.client("demo") as client:
            nova.create(client)
            nova.served.statements.clear()
            nova.create(client)
            counts.append(sum(nova.served.statements))
    assert counts[0] == counts[1] <= 40
