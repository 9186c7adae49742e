"""Servers: shown, listed, changed; the fields of each version."""

from __future__ import annotations

import httpx
import pytest

from tests.services.compute.books import rows
from tests.services.compute.conftest import (
    Nova,
    show,
)


def names(client: httpx.Client, query: str) -> list[str]:
    return [server["name"] for server in client.get(f"/v2.1/servers?{query}").json()["servers"]]


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


def test_update(nova: Nova, demo: httpx.Client, old: httpx.Client) -> None:
    server_id = nova.active(demo)
    path = f"/v2.1/servers/{server_id}"
    new = {"name": "new", "description": "d", "accessIPv4": "10.0.0.1", "hostname": "other"}
    body = demo.put(path, json={"server": new}).json()["server"]
    assert (body["name"], body["description"], body["accessIPv4"]) == ("new", "d", "10.0.0.1")
    assert "OS-EXT-STS:vm_state" in body
    assert "OS-EXT-STS:vm_state" not in old.put(path, json={"server": {"name": "n"}}).json()["server"]
    for bad in ({"name": ""}, {"name": " x"}, {"accessIPv4": "::1"}, {"status": "x"}, {"hostname": "-x"}):
        assert demo.put(path, json={"server": bad}).status_code == 400
    assert old.put(path, json={"server": {"description": "d"}}).status_code == 400


@pytest.mark.parametrize("version", ["2.1", "2.96"])
def test_detail_of_a_thousand_takes_few_queries(nova: Nova, version: str) -> None:
    rows(nova, 1000)
    with nova.client("demo", version) as client:
        client.get("/v2.1/servers/detail?limit=1")
        nova.served.statements.clear()
        body = client.get("/v2.1/servers/detail").json()
        assert len(body["servers"]) == 1000
        assert sum(nova.served.statements) <= 6, nova.served.statements


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
