"""Availability zones: one of hosts, which everybody sees, and the control plane's."""

from __future__ import annotations

import httpx

from tests.services.compute.conftest import (
    Nova,
)

PATH = "/v2.1/os-availability-zone"


def test_everybody_sees_the_zone_of_hosts(demo: httpx.Client) -> None:
    zone = {"zoneName": "nova", "zoneState": {"available": True}, "hosts": None}
    assert demo.get(PATH).json() == {"availabilityZoneInfo": [zone]}
    assert demo.get(f"{PATH}/detail").status_code == 403


def test_administrators_see_who_is_in_them(nova: Nova, admin: httpx.Client) -> None:
    nova.join("compute2")
    zones = admin.get(f"{PATH}/detail").json()["availabilityZoneInfo"]
    hosts = {zone["zoneName"]: zone["hosts"] for zone in zones}
    assert set(hosts) == {"internal", "nova"}
    assert set(hosts["nova"]) == {"compute1", "compute2"}
    assert set(hosts["internal"]["controller"]) == {"nova-scheduler", "nova-conductor"}
    assert hosts["nova"]["compute1"]["nova-compute"]["available"] is True


def test_a_disabled_host_is_not_active(admin: httpx.Client) -> None:
    service = admin.get("/v2.1/os-services?binary=nova-compute").json()["services"][0]
    admin.put(f"/v2.1/os-services/{service['id']}", json={"status": "disabled"})
    (zone,) = (z for z in admin.get(f"{PATH}/detail").json()["availabilityZoneInfo"] if z["zoneName"] == "nova")
    state = zone["hosts"]["compute1"]["nova-compute"]
    assert (state["active"], state["available"]) == (False, True)
