"""Hypervisors: what hosts have, what of it is used, and by which servers."""

from __future__ import annotations

import httpx

from tests.services.compute.conftest import (
    Nova,
    new_id,
)


def test_numbers_before_2_88(nova: Nova, demo: httpx.Client) -> None:
    nova.active(demo)
    with nova.client("admin", "2.1") as old:
        statistics = old.get("/v2.1/os-hypervisors/statistics").json()["hypervisor_statistics"]
        assert (statistics["count"], statistics["running_vms"], statistics["vcpus_used"]) == (1, 1, 1)
        detail = old.get("/v2.1/os-hypervisors/detail").json()["hypervisors"][0]
        assert (detail["memory_mb"], detail["memory_mb_used"], detail["cpu_info"]) == (524288, 1024, '{"model":"max"}')
        assert detail["free_ram_mb"] == detail["memory_mb"] - detail["memory_mb_used"]
        assert old.get(f"/v2.1/os-hypervisors/{detail['id']}").json()["hypervisor"]["vcpus_used"] == 1
        uptime = old.get(f"/v2.1/os-hypervisors/{detail['id']}/uptime").json()["hypervisor"]["uptime"]
        assert uptime.startswith(" up 0 days")
    with nova.client("admin", "2.28") as later:
        assert later.get("/v2.1/os-hypervisors/detail").json()["hypervisors"][0]["cpu_info"] == {"model": "max"}


def test_by_a_part_of_the_name(nova: Nova, demo: httpx.Client, admin: httpx.Client) -> None:
    server_id = nova.active(demo)
    with nova.client("admin", "2.52") as old:
        (host,) = old.get("/v2.1/os-hypervisors/COMPUTE/servers").json()["hypervisors"]
        assert [server["uuid"] for server in host["servers"]] == [server_id]
        (host,) = old.get("/v2.1/os-hypervisors/pute1/search").json()["hypervisors"]
        assert host["hypervisor_hostname"] == "compute1"
        assert old.get("/v2.1/os-hypervisors/nope/search").status_code == 404
    (host,) = admin.get("/v2.1/os-hypervisors?hypervisor_hostname_pattern=pute").json()["hypervisors"]
    assert host["hypervisor_hostname"] == "compute1" and "servers" not in host
    assert admin.get("/v2.1/os-hypervisors?hypervisor_hostname_pattern=nope").status_code == 404
    assert admin.get("/v2.1/os-hypervisors?hypervisor_hostname_pattern=pute&limit=1").status_code == 400


def test_shown_by_id(nova: Nova, demo: httpx.Client, admin: httpx.Client) -> None:
    server_id = nova.active(demo)
    (host,) = admin.get("/v2.1/os-hypervisors?with_servers=true").json()["hypervisors"]
    assert host["servers"] == [{"uuid": server_id, "name": "vm"}]
    shown = admin.get(f"/v2.1/os-hypervisors/{host['id']}?with_servers=true").json()["hypervisor"]
    assert "vcpus" not in shown and "uptime" in shown and shown["servers"] == host["servers"]
    assert admin.get("/v2.1/os-hypervisors/statistics").status_code in (400, 404)
    assert admin.get("/v2.1/os-hypervisors/nope").status_code == 400
    assert admin.get(f"/v2.1/os-hypervisors/{new_id()}").status_code == 404
    with nova.client("admin", "2.52") as old:
        assert old.get("/v2.1/os-hypervisors/nope").status_code == 404
        assert old.get("/v2.1/os-hypervisors/999").status_code == 404


def test_in_pages(nova: Nova, admin: httpx.Client) -> None:
    for number in (2, 3):
        nova.join(f"compute{number}")
    seen: list[str] = []
    url: str | None = "/v2.1/os-hypervisors/detail?limit=1"
    while url is not None:
        body = admin.get(url).json()
        seen += [host["hypervisor_hostname"] for host in body["hypervisors"]]
        url = {link["rel"]: link["href"] for link in body.get("hypervisors_links", [])}.get("next")
    assert seen == ["compute1", "compute2", "compute3"]
    assert admin.get(f"/v2.1/os-hypervisors?marker={new_id()}").status_code == 400


def test_a_host_that_is_down_has_no_uptime(nova: Nova, admin: httpx.Client) -> None:
    service = admin.get("/v2.1/os-services?binary=nova-compute").json()["services"][0]
    admin.put(f"/v2.1/os-services/{service['id']}", json={"forced_down": True, "status": "disabled"})
    (host,) = admin.get("/v2.1/os-hypervisors").json()["hypervisors"]
    assert (host["state"], host["status"]) == ("down", "disabled")
    assert admin.get(f"/v2.1/os-hypervisors/{host['id']}").json()["hypervisor"]["uptime"] is None
    with nova.client("admin", "2.87") as old:
        assert old.get(f"/v2.1/os-hypervisors/{host['id']}/uptime").status_code == 400
        assert old.get("/v2.1/os-hypervisors/statistics").json()["hypervisor_statistics"]["count"] == 0


def test_only_administrators_see_them(demo: httpx.Client) -> None:
    for path in ("", "/detail", "/statistics", f"/{new_id()}"):
        assert demo.get(f"/v2.1/os-hypervisors{path}").status_code in (403, 404)
    assert demo.get("/v2.1/os-hypervisors").status_code == 403
