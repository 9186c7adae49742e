"""Services: which are there, and hosts that get no servers any more."""

from __future__ import annotations

from typing import Any

import httpx

from tests.services.compute.conftest import (
    Nova,
    new_id,
)


def one(admin: httpx.Client) -> dict[str, Any]:
    """The service of the only host."""
    (found,) = admin.get("/v2.1/os-services?binary=nova-compute").json()["services"]
    return dict(found)


def test_who_is_there(admin: httpx.Client, demo: httpx.Client) -> None:
    services = admin.get("/v2.1/os-services").json()["services"]
    assert [s["binary"] for s in services] == ["nova-scheduler", "nova-conductor", "nova-compute"]
    assert {s["state"] for s in services} == {"up"} and {s["zone"] for s in services} == {"internal", "nova"}
    assert [s["host"] for s in admin.get("/v2.1/os-services?host=compute1").json()["services"]] == ["compute1"]
    assert admin.get("/v2.1/os-services?host=nowhere").json() == {"services": []}
    assert demo.get("/v2.1/os-services").status_code == 403


def test_by_name_before_2_53(nova: Nova) -> None:
    with nova.client("admin", "2.1") as old:
        body = {"host": "compute1", "binary": "nova-compute", "disabled_reason": "because"}
        answer = old.put("/v2.1/os-services/disable-log-reason", json=body).json()["service"]
        assert answer == {**body, "status": "disabled"}
        found = old.get("/v2.1/os-services?host=compute1").json()["services"][0]
        assert (found["status"], found["disabled_reason"], type(found["id"])) == ("disabled", "because", int)
        host = {"host": "compute1", "binary": "nova-compute"}
        assert old.put("/v2.1/os-services/disable-log-reason", json=host).status_code == 400
        assert old.put("/v2.1/os-services/enable", json=host).status_code == 200
        assert old.put("/v2.1/os-services/force-down", json=host).status_code == 404, "from 2.11 on"
        assert old.put("/v2.1/os-services/dance", json=host).status_code == 404
        assert old.put("/v2.1/os-services/enable", json={**host, "host": "nowhere"}).status_code == 404
        scheduler = {"host": "controller", "binary": "nova-scheduler"}
        assert old.put("/v2.1/os-services/disable", json=scheduler).status_code == 400
    with nova.client("admin", "2.52") as later:
        forced = later.put("/v2.1/os-services/force-down", json={**host, "forced_down": "true"}).json()["service"]
        assert forced == {**host, "forced_down": True}


def test_by_id_since_2_53(admin: httpx.Client) -> None:
    path = f"/v2.1/os-services/{one(admin)['id']}"
    changed = admin.put(path, json={"status": "disabled", "disabled_reason": "fan"}).json()["service"]
    assert (changed["status"], changed["disabled_reason"]) == ("disabled", "fan")
    assert admin.put(path, json={"status": "enabled"}).json()["service"]["disabled_reason"] is None
    changed = admin.put(path, json={"forced_down": True}).json()["service"]
    assert (changed["forced_down"], changed["state"]) == (True, "down")
    for bad in ({}, {"status": "enabled", "disabled_reason": "x"}, {"status": "off"}, {"forced_down": "maybe"}):
        assert admin.put(path, json=bad).status_code == 400, bad
    assert admin.put(f"/v2.1/os-services/{new_id()}", json={"status": "enabled"}).status_code == 404


def test_a_host_that_has_servers_is_not_removed(nova: Nova, demo: httpx.Client, admin: httpx.Client) -> None:
    server_id = nova.active(demo)
    path = f"/v2.1/os-services/{one(admin)['id']}"
    assert admin.delete(path).status_code == 409
    demo.delete(f"/v2.1/servers/{server_id}")
    nova.node.work()
    scheduler = admin.get("/v2.1/os-services?binary=nova-scheduler").json()["services"][0]
    assert admin.delete(f"/v2.1/os-services/{scheduler['id']}").status_code == 400
    assert admin.delete(f"/v2.1/os-services/{new_id()}").status_code == 404
