"""Who sees what and may do what: every route against the owner, a reader, another project and an administrator."""

from __future__ import annotations

import re
from typing import Any

import pytest

from cumulet.services.network import door
from cumulet.services.network.api import load
from tests.services.network.conftest import Cloud, Json

OPEN = {
    "/v2.0",
    "/v2.0/extensions",
    "/v2.0/extensions/{alias}",
    "/v2.0/availability_zones",
    "/v2.0/service-providers",
}
ADMINS = ("/v2.0/agents", "/v2.0/network-ip-availabilities", "/v2.0/quotas")


def _own(cloud: Cloud) -> dict[str, str]:
    """One of each resource of demo's: name of the path parameter → id."""
    external, _ = cloud.external()
    network, subnet = cloud.network()
    router = cloud.make("router", external_gateway_info={"network_id": external["id"]})
    group = cloud.make("security_group", name="mine")
    rule = cloud.make("security_group_rule", security_group_id=group["id"], direction="ingress", protocol="tcp")
    return {
        "network_id": network["id"],
        "subnet_id": subnet["id"],
        "port_id": cloud.make("port", network_id=network["id"])["id"],
        "router_id": router["id"],
        "floatingip_id": cloud.make("floatingip", floating_network_id=external["id"])["id"],
        "group_id": group["id"],
        "rule_id": rule["id"],
        "project_id": "d" * 32,
    }


BODIES: dict[str, Any] = {
    "networks/{network_id}": {"network": {"name": "x"}},
    "subnets/{subnet_id}": {"subnet": {"name": "x"}},
    "ports/{port_id}": {"port": {"name": "x"}},
    "routers/{router_id}": {"router": {"name": "x"}},
    "floatingips/{floatingip_id}": {"floatingip": {"description": "x"}},
    "security-groups/{group_id}": {"security_group": {"name": "x"}},
    "add_extraroutes": {"router": {"routes": []}},
    "remove_extraroutes": {"router": {"routes": []}},
    "quotas/{project_id}": {"quota": {"port": -1}},
    "tags": {"tags": ["x"]},
}
TAGGED = {
    "networks": "network_id",
    "subnets": "subnet_id",
    "ports": "port_id",
    "routers": "router_id",
    "floatingips": "floatingip_id",
    "security-groups": "group_id",
}


def _requests(ids: dict[str, str]) -> list[tuple[str, str, Any]]:
    """Every route with a parameter, filled in: (method, path, body)."""
    found = []
    for operation in load().operations:
        path = operation.path.removeprefix("/v2.0/")
        if "{" not in path or "alias" in path or "agent_id" in path:
            continue
        if path.startswith(("network-ip-availabilities", "quotas")):
            continue
        body = next((b for end, b in BODIES.items() if path.endswith(end)), {})
        if "{collection}" in path:
            for collection, name in TAGGED.items():
                filled = path.format(collection=collection, resource_id=ids[name], tag="x")
                found.append((operation.method, filled, body if path.endswith("tags") else {}))
        else:
            found.append((operation.method, path.format(**ids), body))
    return found


def test_another_project_sees_nothing(cloud: Cloud) -> None:
    ids = _own(cloud)
    requests = _requests(ids)
    assert len(requests) > 50
    with cloud.client("other") as client:
        for method, path, body in requests:
            answer = client.request(method, f"/v2.0/{path}", json=body)
            assert answer.status_code == 404, f"{method} {path}: {answer.status_code} {answer.text}"
            assert "could not be found" in answer.text or "does not exist" in answer.text
        for collection in (*TAGGED, "security-group-rules"):
            answer = client.get(f"/v2.0/{collection}")
            assert answer.status_code == 200
            assert not set(ids.values()) & set(re.findall(r'"id":"([^"]+)"', answer.text))


def test_a_reader_reads(cloud: Cloud) -> None:
    ids = _own(cloud)
    with cloud.client("reader") as client:
        for method, path, body in _requests(ids):
            answer = client.request(method, f"/v2.0/{path}", json=body)
            if method == "GET":
                assert answer.status_code in (200, 204, 404), f"{path} {answer.text}"
                assert answer.status_code != 404 or "Tag x" in answer.text
            else:
                assert answer.status_code == 403, f"{method} {path}: {answer.status_code} {answer.text}"
                assert answer.json()["NeutronError"]["type"] == "PolicyNotAuthorized"
        bodies: list[tuple[str, Json]] = [
            ("networks", {"network": {}}),
            ("subnets", {"subnet": {"network_id": ids["network_id"], "cidr": "10.240.0.0/24"}}),
            ("ports", {"port": {"network_id": ids["network_id"]}}),
            ("routers", {"router": {}}),
            ("floatingips", {"floatingip": {"floating_network_id": ids["network_id"]}}),
            ("security-groups", {"security_group": {"name": "x"}}),
            (
                "security-group-rules",
                {"security_group_rule": {"security_group_id": ids["group_id"], "direction": "egress"}},
            ),
        ]
        for path, body in bodies:
            assert client.post(f"/v2.0/{path}", json=body).status_code == 403, path


def test_nobody_without_a_token(cloud: Cloud) -> None:
    with cloud.client("") as client:
        assert client.get("/").json()["versions"][0]["id"] == "v2.0"
        for operation in load().operations:
            if operation.path == "/":
                continue
            path = re.sub(r"\{\w+\}", "x", operation.path)
            assert client.request(operation.method, path, json={}).status_code == 401, path
            answer = client.request(operation.method, path, json={}, headers={"X-Auth-Token": "forged"})
            assert answer.status_code == 401


@pytest.mark.parametrize("path", ["agents", "network-ip-availabilities", "quotas"])
def test_administrators_only(cloud: Cloud, path: str) -> None:
    cloud.refused("GET", path, None, 403)
    cloud.call("GET", path, token="admin", status=200)


def test_quotas_of_others(cloud: Cloud) -> None:
    mine, theirs = "quotas/" + "d" * 32, "quotas/" + "0" * 32
    cloud.call("GET", mine, status=200)
    for path in (theirs, theirs + "/details.json", theirs + "/default"):
        cloud.refused("GET", path, None, 403)
    for path in (mine, theirs):
        cloud.refused("PUT", path, {"quota": {"port": 5}}, 403)
        cloud.refused("DELETE", path, None, 403)


def test_shared_networks_are_seen_but_not_changed(cloud: Cloud) -> None:
    network, subnet = cloud.network("admin", shared=True)
    path = f"networks/{network['id']}"
    assert cloud.call("GET", path, status=200)["network"]["shared"] is True
    assert cloud.call("GET", f"subnets/{subnet['id']}", status=200)["subnet"]["id"] == subnet["id"]
    for method, target, body in (
        ("PUT", path, {"network": {"name": "x"}}),
        ("DELETE", path, None),
        ("PUT", f"subnets/{subnet['id']}", {"subnet": {"name": "x"}}),
        ("DELETE", f"subnets/{subnet['id']}", None),
        ("PUT", f"{path}/tags", {"tags": ["x"]}),
        ("PUT", f"{path}/tags/x", None),
        ("DELETE", f"{path}/tags", None),
    ):
        assert cloud.refused(method, target, body, 403)["type"] == "PolicyNotAuthorized", (method, target)
    body = {"subnet": {"network_id": network["id"], "cidr": "10.241.0.0/24"}}
    cloud.refused("POST", "subnets", body, 403)
    port = cloud.make("port", network_id=network["id"])
    cloud.refused("GET", f"ports/{port['id']}", None, 404, "other")
    for given in (
        {"mac_address": "02:00:00:00:00:02"},
        {"fixed_ips": [{"ip_address": subnet["gateway_ip"]}]},
        {"port_security_enabled": False},
        {"allowed_address_pairs": [{"ip_address": "0.0.0.0/0"}]},
        {"device_owner": "network:dhcp"},
        {"device_owner": "network:router_interface"},
    ):
        cloud.refused("POST", "ports", {"port": {"network_id": network["id"], **given}}, 403)
        cloud.refused("PUT", f"ports/{port['id']}", {"port": given}, 403)


def test_ids_of_the_owner_cannot_be_taken(cloud: Cloud) -> None:
    network, _ = cloud.network()
    for path, body in (
        (f"networks/{network['id']}", {"network": {"project_id": "0" * 32}}),
        (f"networks/{network['id']}", {"network": {"id": "x"}}),
    ):
        assert "Cannot update read-only attribute" in cloud.refused("PUT", path, body, 400)["message"]
    body = {"port": {"network_id": network["id"]}}
    assert cloud.refused("POST", "ports", body, 404, "other")["type"] == "NetworkNotFound"


def test_a_port_cannot_be_slipped_into_anothers_router_or_server(cloud: Cloud) -> None:
    victim = _own(cloud)["router_id"]
    network, subnet = cloud.network("other")
    for owner in ("network:router_interface", "network:router_gateway", "network:dhcp", "network:floatingip"):
        body = {"port": {"network_id": network["id"], "device_owner": owner, "device_id": victim}}
        assert cloud.refused("POST", "ports", body, 409, "other")["type"] == "DeviceIDNotOwnedByTenant"
    port = cloud.make("port", "other", network_id=network["id"], device_id=victim)
    body = {"port": {"device_owner": "network:router_interface"}}
    assert cloud.refused("PUT", f"ports/{port['id']}", body, 409, "other")["type"] == "DeviceIDNotOwnedByTenant"
    router = cloud.make("router", "other")
    path = f"routers/{router['id']}/add_router_interface"
    leg = cloud.call("PUT", path, {"subnet_id": subnet["id"]}, "other", 200)["port_id"]
    body = {"port": {"device_id": victim}}
    assert cloud.refused("PUT", f"ports/{leg}", body, 409, "other")["type"] == "DeviceIDNotOwnedByTenant"
    server = "77777777-2222-3333-4444-555555555555"
    owned = {"device_id": server, "device_owner": "compute:nova"}
    fake = cloud.make("port", "other", network_id=network["id"], **owned)
    with cloud.db.read() as tx:
        assert door.interfaces(tx, [server]) == {server: []}
        assert door.addresses(tx, [server]) == {server: []}
        ip = fake["fixed_ips"][0]["ip_address"]
        assert door.port_by_address(tx, link_id=cloud.links[0], network_id=network["id"], ip=ip) is None


def test_an_external_network_is_everybodys_to_look_at(cloud: Cloud) -> None:
    """As it is to connect routers to; only its owner changes it."""
    external, _ = cloud.external()
    for token in ("demo", "other", "reader"):
        listed = cloud.call("GET", f"networks?id={external['id']}", None, token, 200)["networks"]
        shown = cloud.call("GET", f"networks/{external['id']}", None, token, 200)["network"]
        assert [each["id"] for each in listed] == [shown["id"]] and shown["router:external"] is True
        cloud.refused("PUT", f"networks/{external['id']}", {"network": {"name": "mine"}}, 403, token)
        cloud.refused("DELETE", f"networks/{external['id']}", None, 403, token)
