"""What two tenants share: a network that everybody may use, an image that names another's.

The network is a third one's and shared; alice and bob have ports on it. Of hers bob sees nothing and takes nothing.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.adversary.town import FIRST, Town, newest

NET = "network"


@pytest.fixture(scope="module")
def street(town: Town) -> dict[str, Any]:
    """A network of a third one, shared, with a port of alice's and one of bob's, and a router of each."""
    found: dict[str, Any] = {}
    make = town.make
    with town.keeping():
        network = make(NET, "/v2.0/networks", "network", {"name": "street", "shared": True}, who=FIRST)
        found["network"] = network["id"]
        subnet = {"network_id": network["id"], "ip_version": 4, "cidr": "10.99.0.0/24"}
        found["subnet"] = make(NET, "/v2.0/subnets", "subnet", subnet, who=FIRST)["id"]
        for who, name in (("owner", "hers"), ("near member", "mine")):
            port = make(
                NET, "/v2.0/ports", "port", {"network_id": network["id"], "name": f"on the street of {who}"}, who=who
            )
            found[name] = port["id"]
            found[f"{name} address"], found[f"{name} mac"] = port["fixed_ips"][0]["ip_address"], port["mac_address"]
        town.remember()
    return found


def refused(town: Town, method: str, path: str, body: Any) -> None:
    answer, found = town.judged(NET, method, path, body)
    assert answer.status in (400, 403, 404, 409) and found == [], (answer.status, answer.body, found)


@pytest.mark.parametrize(
    "query",
    [
        "", "network_id={network}", "id={hers}", "mac_address={hers mac}", "fixed_ips=ip_address={hers address}",
        "fixed_ips=ip_address_substr={hers address}", "fixed_ips=subnet_id={subnet}", "name=on the street of owner",
        "network_id={network}&fields=id", "sort_key=mac_address&sort_dir=asc&network_id={network}",
    ],
)  # fmt: skip
def test_the_ports_of_others_are_not_listed(town: Town, street: dict[str, Any], query: str) -> None:
    answer, found = town.judged(NET, "GET", "/v2.0/ports", query=query.format_map(street).replace(" ", "%20"))
    assert answer.status == 200 and found == []
    assert street["hers"] not in [port.get("id") for port in answer.json["ports"]]
    assert "on the street of owner" not in answer.body.decode()


@pytest.mark.parametrize(
    "port",
    [
        {"fixed_ips": [{"ip_address": "{hers address}"}]},
        {"fixed_ips": [{"subnet_id": "{subnet}", "ip_address": "{hers address}"}]},
        {"mac_address": "{hers mac}"},
        {"allowed_address_pairs": [{"ip_address": "{hers address}"}]},
        {"allowed_address_pairs": [{"ip_address": "0.0.0.0/0"}]},
        {"port_security_enabled": False},
        {"device_owner": "network:dhcp"},
        {"device_owner": "network:router_interface"},
        {"security_groups": ["$group_id"]},
        {"binding:host_id": "host"},
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_no_port_takes_what_is_anothers(town: Town, street: dict[str, Any], method: str, port: dict[str, Any]) -> None:
    ids = {**street, "group": town.ids(NET)["group_id"]}
    text = json.dumps(port)
    for name, value in ids.items():
        text = text.replace("{" + name + "}", value).replace(f"${name}_id", value)
    if method == "POST":
        refused(town, method, "/v2.0/ports", {"port": {"network_id": street["network"], **json.loads(text)}})
    else:
        refused(town, method, f"/v2.0/ports/{street['mine']}", {"port": json.loads(text)})


@pytest.mark.parametrize("what", ["network", "subnet", "hers"])
def test_what_is_shared_is_not_bobs_to_change(town: Town, street: dict[str, Any], what: str) -> None:
    one, plural = {"network": ("network", "networks"), "subnet": ("subnet", "subnets"), "hers": ("port", "ports")}[what]
    path = f"/v2.0/{plural}/{street[what]}"
    for body in ({"name": "taken"}, {"description": "taken"}, {"project_id": town.mine["own"]}):
        refused(town, "PUT", path, {one: body})
    refused(town, "DELETE", path, None)
    refused(town, "PUT", f"{path}/tags/taken", None)
    refused(town, "PUT", f"{path}/tags", {"tags": ["taken"]})
    refused(town, "DELETE", f"{path}/tags", None)


def test_nothing_of_bobs_leads_to_her_port(town: Town, street: dict[str, Any]) -> None:
    mine = town.mine
    refused(town, "PUT", f"/v2.0/floatingips/{mine['floatingip_id']}", {"floatingip": {"port_id": street["hers"]}})
    where = f"/v2.0/routers/{mine['router_id']}/add_router_interface"
    refused(town, "PUT", where, {"port_id": street["hers"]})
    subnet = {"network_id": street["network"], "ip_version": 4, "cidr": "10.98.0.0/24"}
    refused(town, "POST", "/v2.0/subnets", {"subnet": subnet})
    server = f"/v2.1/servers/{mine['server_id']}"
    answer, found = town.judged("compute", "GET", f"{server}/os-interface/{street['hers']}", headers=newest("compute"))
    assert answer.status == 404 and found == []


def test_what_an_image_names_is_looked_up_as_the_caller_sees_it(town: Town) -> None:
    """Finding S3, cases 7 and 50: a kernel or a ramdisk that bob does not see is not booted."""
    hers, mine = town.ids("image")["secret"], town.mine
    ami = {"name": "ami", "disk_format": "ami", "container_format": "ami"}
    for named in ({"kernel_id": hers}, {"ramdisk_id": hers}, {"kernel_id": hers, "ramdisk_id": hers}):
        with town.keeping():
            image = town.make("image", "/v2/images", "", {**ami, **named})["id"]
            data = {"content-type": "application/octet-stream"}
            answer = town.ask("image", "PUT", f"/v2/images/{image}/file", b"x" * 512, headers=data)
            assert answer.status == 204
        server = {"name": "s", "flavorRef": mine["flavor_id"], "imageRef": image, "networks": "none"}
        server["user_data"] = base64.b64encode(b"x").decode()
        answer, found = town.judged(
            "compute", "POST", "/v2.1/servers", {"server": server}, headers=newest("compute")
        )  # fmt: skip
        assert answer.status == 400 and found == [], answer.body
