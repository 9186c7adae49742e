"""Addresses, interfaces and security groups of servers."""

from __future__ import annotations

import httpx

from tests.services.compute.conftest import (
    NETWORK,
    Nova,
    message,
    new_id,
)
from tests.services.serving import PROJECTS


def test_addresses_by_network(nova: Nova, demo: httpx.Client) -> None:
    path = f"/v2.1/servers/{nova.active(demo)}"
    (interface,) = demo.get(f"{path}/os-interface").json()["interfaceAttachments"]
    address = {"version": 4, "addr": interface["fixed_ips"][0]["ip_address"]}
    assert demo.get(f"{path}/ips").json() == {"addresses": {"private": [address]}}
    assert demo.get(f"{path}/ips/private").json() == {"private": [address]}
    answer = demo.get(f"{path}/ips/nope")
    assert (answer.status_code, message(answer)) == (404, "Instance is not a member of specified network")


def test_interfaces(nova: Nova, demo: httpx.Client, old: httpx.Client) -> None:
    server_id = nova.create(demo)
    path = f"/v2.1/servers/{server_id}/os-interface"
    assert [i["port_state"] for i in demo.get(path).json()["interfaceAttachments"]] == ["DOWN"]
    nova.node.work()
    (interface,) = demo.get(path).json()["interfaceAttachments"]
    assert (interface["port_state"], interface["net_id"], interface["tag"]) == ("ACTIVE", NETWORK, None)
    assert demo.get(f"{path}/{interface['port_id']}").json()["interfaceAttachment"] == interface
    assert "tag" not in old.get(path).json()["interfaceAttachments"][0]
    assert demo.get(f"{path}/{new_id()}").status_code == 404


def test_security_groups(nova: Nova, demo: httpx.Client) -> None:
    path = f"/v2.1/servers/{nova.active(demo)}"
    remove = {"removeSecurityGroup": {"name": "default"}}
    assert demo.post(f"{path}/action", json=remove).status_code == 202
    assert demo.get(f"{path}/os-security-groups").json()["security_groups"] == []
    assert demo.post(f"{path}/action", json=remove).status_code == 404
    add = {"addSecurityGroup": {"name": "default"}}
    assert demo.post(f"{path}/action", json=add).status_code == 202
    (group,) = demo.get(f"{path}/os-security-groups").json()["security_groups"]
    assert (group["name"], group["tenant_id"]) == ("default", PROJECTS["demo"])
    assert demo.post(f"{path}/action", json={"addSecurityGroup": {"name": "nope"}}).status_code == 404
