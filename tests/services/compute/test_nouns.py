"""Flavors, key pairs, quotas, services, hypervisors and the smaller nouns."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.services.compute.conftest import Nova, floating, message, show
from tests.services.serving import PROJECTS

FLAVOR: dict[str, Any] = {"name": "gold", "ram": 256, "vcpus": 2, "disk": 3, "id": "gold"}


def test_discovery(nova: Nova) -> None:
    with nova.client("", "") as nobody:
        versions = nobody.get("/").json()["versions"]
        assert [(v["id"], v["status"], v["version"]) for v in versions][1] == ("v2.1", "CURRENT", "2.96")
        for path in ("/v2.1", "/v2.1/", "/v2/"):
            assert nobody.get(path).json()["version"]["media-types"]


def test_every_form_of_address(nova: Nova, demo: httpx.Client) -> None:
    for prefix in ("/v2.1", f"/v2.1/{PROJECTS['demo']}", "/v2", f"/v2/{PROJECTS['demo']}"):
        assert len(demo.get(f"{prefix}/flavors").json()["flavors"]) == 6


def test_flavor_life(nova: Nova, demo: httpx.Client, admin: httpx.Client) -> None:
    made = admin.post("/v2.1/flavors", json={"flavor": {**FLAVOR, "description": "good"}}).json()["flavor"]
    assert (made["id"], made["swap"], made["rxtx_factor"], made["extra_specs"]) == ("gold", 0, 1.0, {})
    for same in ({**FLAVOR, "id": "other"}, {**FLAVOR, "name": "other"}):
        answer = admin.post("/v2.1/flavors", json={"flavor": same})
        assert (answer.status_code, "already exists." in message(answer)) == (409, True)
    assert admin.put("/v2.1/flavors/gold", json={"flavor": {"description": "best"}}).json()["flavor"]["description"]
    specs = "/v2.1/flavors/gold/os-extra_specs"
    assert admin.post(specs, json={"extra_specs": {"hw:x": "1"}}).json() == {"extra_specs": {"hw:x": "1"}}
    assert admin.put(f"{specs}/hw:x", json={"hw:x": "2"}).json() == {"hw:x": "2"}
    assert admin.put(f"{specs}/hw:x", json={"hw:y": "2"}).status_code == 400
    assert demo.get(specs).json() == {"extra_specs": {"hw:x": "2"}}
    assert demo.post(specs, json={"extra_specs": {"a": "b"}}).status_code == 403
    answer = demo.get(f"{specs}/nope")
    assert message(answer) == "Flavor gold has no extra specs with key nope."
    assert admin.delete(f"{specs}/hw:x").status_code == 200
    server_id = nova.active(demo, flavorRef="gold")
    assert admin.delete("/v2.1/flavors/gold").status_code == 202
    answer = demo.get("/v2.1/flavors/gold")
    assert (answer.status_code, message(answer)) == (404, "Flavor gold could not be found.")
    assert show(demo, server_id)["flavor"]["original_name"] == "gold"


def test_flavor_lists(nova: Nova, demo: httpx.Client, old: httpx.Client) -> None:
    def ids(query: str) -> list[str]:
        return [flavor["id"] for flavor in demo.get(f"/v2.1/flavors?{query}").json()["flavors"]]

    assert ids("") == ["0", "1", "2", "3", "4", "5"]
    assert ids("minRam=4096") == ["3", "4", "5"]
    assert ids("minDisk=80") == ["4", "5"]
    assert ids("sort_key=name&sort_dir=asc&limit=2") == ["4", "3"]
    assert ids("limit=2&marker=3") == ["4", "5"]
    for bad in ("marker=nope", "minRam=x", "minDisk=x", "sort_key=x", "limit=-2"):
        assert demo.get(f"/v2.1/flavors?{bad}").status_code == 400
    flavor = old.get("/v2.1/flavors/1").json()["flavor"]
    assert flavor["swap"] == "" and "description" not in flavor and "extra_specs" not in flavor


@pytest.mark.parametrize(
    "values", [{"ram": 0}, {"vcpus": -1}, {"disk": -1}, {"name": ""}, {"name": " x"}, {"ram": 2**31}, {"id": "a/b"}]
)
def test_bad_flavors(admin: httpx.Client, values: dict[str, Any]) -> None:
    assert admin.post("/v2.1/flavors", json={"flavor": {**FLAVOR, **values}}).status_code == 400


def test_private_flavors(nova: Nova, demo: httpx.Client, admin: httpx.Client) -> None:
    body = {"flavor": {**FLAVOR, "os-flavor-access:is_public": False}}
    assert admin.post("/v2.1/flavors", json=body).status_code == 200
    assert demo.get("/v2.1/flavors/gold").status_code == 404
    assert demo.post("/v2.1/servers", json=nova.body(flavorRef="gold")).status_code == 400
    add = {"addTenantAccess": {"tenant": PROJECTS["demo"]}}
    access = admin.post("/v2.1/flavors/gold/action", json=add).json()["flavor_access"]
    assert {"flavor_id": "gold", "tenant_id": PROJECTS["demo"]} in access
    assert admin.post("/v2.1/flavors/gold/action", json=add).status_code == 409
    assert demo.get("/v2.1/flavors/gold").status_code == 200
    remove = {"removeTenantAccess": {"tenant": PROJECTS["demo"]}}
    assert demo.post("/v2.1/flavors/gold/action", json=remove).status_code == 403
    assert admin.post("/v2.1/flavors/gold/action", json=remove).status_code == 200
    assert admin.post("/v2.1/flavors/gold/action", json=remove).status_code == 404
    assert admin.get("/v2.1/flavors/1/os-flavor-access").status_code == 404


def test_keypairs(nova: Nova, demo: httpx.Client, admin: httpx.Client) -> None:
    with nova.client("demo", "2.91") as before, nova.client("demo", "2.1") as old:
        made = before.post("/v2.1/os-keypairs", json={"keypair": {"name": "made"}})
        assert made.status_code == 201
        pair = made.json()["keypair"]
        assert "PRIVATE KEY" in pair["private_key"] and pair["public_key"].endswith("Generated-by-Nova")
        body = {"keypair": {"name": "in", "public_key": pair["public_key"]}}
        assert old.post("/v2.1/os-keypairs", json=body).status_code == 200
        certificate = before.post("/v2.1/os-keypairs", json={"keypair": {"name": "cert", "type": "x509"}}).json()
        assert certificate["keypair"]["public_key"].startswith("-----BEGIN CERTIFICATE")
        assert old.get("/v2.1/os-keypairs/in").json()["keypair"]["fingerprint"] == pair["fingerprint"]
        bad = {"keypair": {"name": "a@b", "public_key": pair["public_key"]}}
        assert "unsafe characters" in message(before.post("/v2.1/os-keypairs", json=bad))
        assert demo.post("/v2.1/os-keypairs", json=bad).status_code == 201
    answer = demo.post("/v2.1/os-keypairs", json={"keypair": {"name": "none"}})
    assert answer.status_code == 400
    answer = demo.post("/v2.1/os-keypairs", json=body)
    assert (answer.status_code, message(answer)) == (409, "Key pair 'in' already exists.")
    answer = demo.post("/v2.1/os-keypairs", json={"keypair": {"name": "x", "public_key": "ssh-rsa AAAA"}})
    assert message(answer) == "Keypair data is invalid: failed to generate fingerprint"
    assert [k["keypair"]["name"] for k in demo.get("/v2.1/os-keypairs?limit=2&marker=a@b").json()["keypairs"]] == [
        "cert",
        "in",
    ]
    user = "demo".ljust(32, "0")
    assert len(admin.get(f"/v2.1/os-keypairs?user_id={user}").json()["keypairs"]) == 4
    with nova.client("other") as other:
        assert other.get(f"/v2.1/os-keypairs?user_id={user}").status_code == 403
        assert other.get("/v2.1/os-keypairs/in").status_code == 404
    assert demo.delete("/v2.1/os-keypairs/in").status_code == 204
    assert demo.delete("/v2.1/os-keypairs/in").status_code == 404


def test_services_and_hypervisors(nova: Nova, demo: httpx.Client, admin: httpx.Client) -> None:
    nova.active(demo)
    services = admin.get("/v2.1/os-services").json()["services"]
    assert [s["binary"] for s in services] == ["nova-scheduler", "nova-conductor", "nova-compute"]
    with nova.client("admin", "2.1") as old:
        body = {"host": "compute1", "binary": "nova-compute", "disabled_reason": "because"}
        answer = old.put("/v2.1/os-services/disable-log-reason", json=body).json()["service"]
        assert answer == {**body, "status": "disabled"}
        found = old.get("/v2.1/os-services?host=compute1").json()["services"][0]
        assert (found["status"], found["disabled_reason"], type(found["id"])) == ("disabled", "because", int)
        enable = {"host": "compute1", "binary": "nova-compute"}
        assert old.put("/v2.1/os-services/enable", json=enable).status_code == 200
        statistics = old.get("/v2.1/os-hypervisors/statistics").json()["hypervisor_statistics"]
        assert (statistics["count"], statistics["running_vms"], statistics["vcpus_used"]) == (1, 1, 1)
        detail = old.get("/v2.1/os-hypervisors/detail").json()["hypervisors"][0]
        assert (detail["memory_mb"], detail["memory_mb_used"], detail["cpu_info"]) == (524288, 1024, '{"model":"max"}')
        assert old.get(f"/v2.1/os-hypervisors/{detail['id']}/uptime").status_code == 200
        assert old.get("/v2.1/os-hypervisors/compute/servers").json()["hypervisors"][0]["servers"]
    (host,) = admin.get("/v2.1/os-hypervisors?with_servers=true").json()["hypervisors"]
    assert len(host["servers"]) == 1
    shown = admin.get(f"/v2.1/os-hypervisors/{host['id']}").json()["hypervisor"]
    assert "vcpus" not in shown and "uptime" in shown
    assert admin.get("/v2.1/os-hypervisors/statistics").status_code in (400, 404)
    assert admin.get("/v2.1/os-hypervisors/nope").status_code == 400
    assert admin.get("/v2.1/os-aggregates").json() == {"aggregates": []}
    zones = admin.get("/v2.1/os-availability-zone/detail").json()["availabilityZoneInfo"]
    assert {zone["zoneName"] for zone in zones} == {"internal", "nova"}


def test_quotas_limits_and_usage(nova: Nova, demo: httpx.Client, admin: httpx.Client) -> None:
    nova.active(demo)
    project = PROJECTS["demo"]
    put = admin.put(f"/v2.1/os-quota-sets/{project}", json={"quota_set": {"instances": 2, "cores": "-1"}})
    assert (put.json()["quota_set"]["instances"], put.json()["quota_set"]["cores"]) == (2, -1)
    detail = demo.get(f"/v2.1/os-quota-sets/{project}/detail").json()["quota_set"]
    assert detail["instances"] == {"limit": 2, "in_use": 1, "reserved": 0}
    low = admin.put(f"/v2.1/os-quota-sets/{project}", json={"quota_set": {"instances": 0}})
    assert low.status_code == 400
    assert admin.put("/v2.1/os-quota-sets/nope", json={"quota_set": {}}).status_code == 400
    assert admin.put(f"/v2.1/os-quota-sets/{project}", json={"quota_set": {"nope": 1}}).status_code == 400
    assert demo.get(f"/v2.1/os-quota-sets/{project}/defaults").json()["quota_set"]["instances"] == 10
    limits = demo.get("/v2.1/limits").json()["limits"]["absolute"]
    assert (limits["maxTotalInstances"], limits["totalInstancesUsed"], limits["totalRAMUsed"]) == (2, 1, 512)
    assert admin.delete(f"/v2.1/os-quota-sets/{project}").status_code == 202
    assert demo.get("/v2.1/limits").json()["limits"]["absolute"]["maxTotalInstances"] == 10
    usage = demo.get(f"/v2.1/os-simple-tenant-usage/{project}").json()["tenant_usage"]
    assert usage["server_usages"][0]["state"] == "active"
    assert admin.get("/v2.1/os-simple-tenant-usage?detailed=1").json()["tenant_usages"][0]["tenant_id"] == project
    assert demo.get("/v2.1/os-simple-tenant-usage").status_code == 403


def test_metadata_and_tags(nova: Nova, demo: httpx.Client) -> None:
    path = f"/v2.1/servers/{nova.active(demo, metadata={'a': '1'})}"
    assert demo.post(f"{path}/metadata", json={"metadata": {"b": "2"}}).json() == {"metadata": {"a": "1", "b": "2"}}
    assert demo.put(f"{path}/metadata", json={"metadata": {"c": "3"}}).json() == {"metadata": {"c": "3"}}
    assert demo.put(f"{path}/metadata/d", json={"meta": {"d": "4"}}).json() == {"meta": {"d": "4"}}
    assert demo.put(f"{path}/metadata/d", json={"meta": {"e": "4"}}).status_code == 400
    assert demo.delete(f"{path}/metadata/d").status_code == 204
    assert demo.get(f"{path}/metadata/d").status_code == 404
    assert demo.put(f"{path}/tags/x").status_code == 201
    assert demo.put(f"{path}/tags/x").status_code == 204
    assert demo.put(f"{path}/tags", json={"tags": ["b", "a", "a"]}).json() == {"tags": ["a", "b"]}
    assert demo.get(f"{path}/tags/b").status_code == 204
    assert demo.delete(f"{path}/tags/x").status_code == 404
    assert demo.put(f"{path}/tags", json={"tags": ["a,b"]}).status_code == 400
    assert demo.delete(f"{path}/tags").status_code == 204
    assert demo.get(f"{path}/tags").json() == {"tags": []}


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


def test_interfaces_groups_and_addresses(nova: Nova, demo: httpx.Client) -> None:
    path = f"/v2.1/servers/{nova.active(demo)}"
    (interface,) = demo.get(f"{path}/os-interface").json()["interfaceAttachments"]
    assert interface["port_state"] == "ACTIVE"
    shown = demo.get(f"{path}/os-interface/{interface['port_id']}").json()["interfaceAttachment"]
    assert shown == interface
    assert demo.get(f"{path}/ips").json()["addresses"]["private"][0]["addr"] == interface["fixed_ips"][0]["ip_address"]
    assert demo.get(f"{path}/ips/nope").status_code == 404
    remove = {"removeSecurityGroup": {"name": "default"}}
    assert demo.post(f"{path}/action", json=remove).status_code == 202
    assert demo.get(f"{path}/os-security-groups").json()["security_groups"] == []
    assert demo.post(f"{path}/action", json=remove).status_code == 404
    add = {"addSecurityGroup": {"name": "default"}}
    assert demo.post(f"{path}/action", json=add).status_code == 202
    assert [g["name"] for g in demo.get(f"{path}/os-security-groups").json()["security_groups"]] == ["default"]
    assert demo.post(f"{path}/action", json={"addSecurityGroup": {"name": "nope"}}).status_code == 404


def test_actions_that_are_none(nova: Nova, demo: httpx.Client) -> None:
    path = f"/v2.1/servers/{nova.active(demo)}/action"
    for body in ({}, {"a": 1, "b": 2}, {"fly": None}, {"reboot": {"type": "WARM"}}, {"reboot": None}):
        assert demo.post(path, json=body).status_code == 400
    assert demo.post(path, json={"os-getVNCConsole": {"type": "novnc"}}).status_code == 404


def test_floating_ips_the_old_way(nova: Nova, demo: httpx.Client, old: httpx.Client) -> None:
    server_id = nova.active(demo)
    path, body = f"/v2.1/servers/{server_id}/action", {"address": "172.24.4.9"}
    for action in ("addFloatingIp", "removeFloatingIp"):
        assert demo.post(path, json={action: body}).status_code == 404
        answer = old.post(path, json={action: body})
        assert (answer.status_code, message(answer)) == (404, "floating IP not found")
    floating(nova, "172.24.4.9")
    fixed = show(demo, server_id)["addresses"]["private"][0]["addr"]
    assert old.post(path, json={"removeFloatingIp": body}).status_code == 409
    assert old.post(path, json={"addFloatingIp": {**body, "fixed_address": "10.1.250.250"}}).status_code == 400
    assert old.post(path, json={"addFloatingIp": {**body, "fixed_address": fixed}}).status_code == 202
    found = show(demo, server_id)["addresses"]["private"]
    assert [(a["addr"], a["OS-EXT-IPS:type"]) for a in found] == [(fixed, "fixed"), ("172.24.4.9", "floating")]
    assert demo.get("/v2.1/servers?ip=172.24.4.9").json()["servers"][0]["id"] == server_id
    assert old.post(path, json={"removeFloatingIp": body}).status_code == 202
    assert len(show(demo, server_id)["addresses"]["private"]) == 1
