"""What a user does, as the crash tests play it: prepare, ask once, retry what was lost, verify, clean up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.crash.mortal import ConnectionLost, MortalCloud
from tests.services.compute.conftest import IMAGE

NAME = "mortal"


@dataclass
class Lab:
    """The networks that the tests use; made once."""

    private: str
    provider: str
    floating: str
    floating_address: str


def furnish(cloud: MortalCloud) -> Lab:
    """A private network behind a router, an external one, a floating ip."""
    private = made(cloud, "network", "networks", {"name": "private"})["id"]
    subnet = made(cloud, "network", "subnets", {"network_id": private, "ip_version": 4, "cidr": "10.1.0.0/20"})["id"]
    external = {
        "name": "provider", "router:external": True, "provider:network_type": "flat",
        "provider:physical_network": "provider",
    }  # fmt: skip
    provider = made(cloud, "network", "networks", external, token="admin")["id"]
    pool = {"network_id": provider, "ip_version": 4, "cidr": "172.24.4.0/24", "enable_dhcp": False}
    made(cloud, "network", "subnets", pool, token="admin")
    gateway = {"name": "router", "external_gateway_info": {"network_id": provider}}
    router = made(cloud, "network", "routers", gateway)["id"]
    status, _ = cloud.request("PUT", "network", f"/v2.0/routers/{router}/add_router_interface", {"subnet_id": subnet})
    assert status == 200
    floating = made(cloud, "network", "floatingips", {"floating_network_id": provider})
    cloud.settle()
    return Lab(private, provider, floating["id"], floating["floating_ip_address"])


def made(cloud: MortalCloud, service: str, noun: str, values: dict[str, Any], token: str = "demo") -> dict[str, Any]:
    """A resource of the network service."""
    status, answer = cloud.request("POST", service, f"/v2.0/{noun}", {noun[:-1]: values}, token=token)
    assert status == 201, answer
    return dict(answer[noun[:-1]])


def body(lab: Lab, **values: Any) -> dict[str, Any]:
    """A server to ask for."""
    server = {"name": NAME, "flavorRef": "1", "imageRef": IMAGE, "networks": [{"uuid": lab.private}], **values}
    return {"server": server}


def listed(cloud: MortalCloud) -> list[dict[str, Any]]:
    """The user's servers."""
    status, answer = cloud.request("GET", "compute", "/v2.1/servers/detail")
    assert status == 200, answer
    return list(answer["servers"])


def create(cloud: MortalCloud, lab: Lab, **values: Any) -> None:
    """POST /servers."""
    status, answer = cloud.request("POST", "compute", "/v2.1/servers", body(lab, **values))
    assert status == 202, answer


def act(cloud: MortalCloud, action: dict[str, Any]) -> None:
    """An action on the only server. A 409 says that it is under way already: a retry may meet that."""
    (server,) = listed(cloud)
    status, answer = cloud.request("POST", "compute", f"/v2.1/servers/{server['id']}/action", action)
    assert status in (202, 409), answer


def delete_all(cloud: MortalCloud) -> None:
    """DELETE every server."""
    for server in listed(cloud):
        status, answer = cloud.request("DELETE", "compute", f"/v2.1/servers/{server['id']}")
        assert status in (204, 404), answer


def point(cloud: MortalCloud, lab: Lab, port: str | None) -> None:
    """PUT the floating ip to a port, or nowhere."""
    path = f"/v2.0/floatingips/{lab.floating}"
    status, answer = cloud.request("PUT", "network", path, {"floatingip": {"port_id": port}})
    assert status == 200, answer


def associate(cloud: MortalCloud, lab: Lab) -> None:
    """As `openstack server add floating ip` does it."""
    (server,) = listed(cloud)
    _, answer = cloud.request("GET", "network", f"/v2.0/ports?device_id={server['id']}")
    point(cloud, lab, answer["ports"][0]["id"])


def floating(cloud: MortalCloud, lab: Lab) -> dict[str, Any]:
    """The floating ip as its user sees it."""
    status, answer = cloud.request("GET", "network", f"/v2.0/floatingips/{lab.floating}")
    assert status == 200
    return dict(answer["floatingip"])


Step = Callable[[MortalCloud, Lab], None]
Question = Callable[[MortalCloud, Lab], bool]


@dataclass(frozen=True)
class Operation:
    """`prepare` and what follows run undisturbed; `ask` and all that comes of it is where processes die.

    `done`: whether the request was carried out, wholly. `fail`: hosts that fail to boot. `silent`: the node says
    nothing meanwhile, and the deadline passes.
    """

    prepare: Step
    ask: Step
    done: Question
    statuses: tuple[str, ...]
    fail: tuple[str, ...] = ()
    silent: bool = False
    host_down: bool = False


def _nothing(cloud: MortalCloud, lab: Lab) -> None:
    """Start with no server."""


def _running(cloud: MortalCloud, lab: Lab) -> None:
    create(cloud, lab)
    cloud.settle()


def _stopped(cloud: MortalCloud, lab: Lab) -> None:
    _running(cloud, lab)
    act(cloud, {"os-stop": None})
    cloud.settle()


def _reachable(cloud: MortalCloud, lab: Lab) -> None:
    _running(cloud, lab)
    associate(cloud, lab)
    cloud.settle()


def _gone(cloud: MortalCloud, lab: Lab) -> bool:
    return listed(cloud) == []


def _there(count: int) -> Question:
    return lambda cloud, lab: len(listed(cloud)) == count


def _status(wanted: str) -> Question:
    return lambda cloud, lab: [server["status"] for server in listed(cloud)] == [wanted]


def _rebooted(cloud: MortalCloud, lab: Lab) -> bool:
    """The guest has seen at least one reboot: a retry after a lost answer may make it two."""
    return all(guest.hard_reboots + guest.soft_reboots >= 1 for guest in cloud.world())


def _points(cloud: MortalCloud, lab: Lab) -> bool:
    found = floating(cloud, lab)
    (server,) = listed(cloud)
    shown = [a["addr"] for net in server["addresses"].values() for a in net if a["OS-EXT-IPS:type"] == "floating"]
    return found["status"] == "ACTIVE" and shown == [lab.floating_address]


def _points_nowhere(cloud: MortalCloud, lab: Lab) -> bool:
    found = floating(cloud, lab)
    return found["status"] == "DOWN" and found["port_id"] is None


def _gone_and_free(cloud: MortalCloud, lab: Lab) -> bool:
    return _gone(cloud, lab) and _points_nowhere(cloud, lab)


def _deleting(cloud: MortalCloud, lab: Lab) -> None:
    delete_all(cloud)


def _first_choice(cloud: MortalCloud, lab: Lab) -> None:
    create(cloud, lab)


ACTIVE = ("ACTIVE",)
OPERATIONS: dict[str, Operation] = {
    "create": Operation(_nothing, create, _there(1), ACTIVE),
    "create three": Operation(_nothing, lambda c, lab: create(c, lab, min_count=3), _there(3), ("ACTIVE",) * 3),
    "create on a second host": Operation(_nothing, create, _there(1), ACTIVE, fail=("sim-0001", "sim-0002")),
    "create that fails everywhere": Operation(_nothing, create, _there(1), ("ERROR",), fail=("*",)),
    "create without room": Operation(_nothing, lambda c, lab: create(c, lab, flavorRef="5"), _there(1), ("ERROR",)),
    "create that nobody reports": Operation(_nothing, create, _there(1), ("ERROR",), silent=True),
    "delete": Operation(_running, _deleting, _gone, ()),
    "delete while building": Operation(create, _deleting, _gone, ()),
    "delete with a floating ip": Operation(_reachable, _deleting, _gone_and_free, ()),
    "delete that nobody reports": Operation(_running, _deleting, _gone, (), silent=True),
    "delete on a dead host": Operation(_running, _deleting, _gone, (), host_down=True),
    "reboot": Operation(_running, lambda c, lab: act(c, {"reboot": {"type": "SOFT"}}), _rebooted, ACTIVE),
    "hard reboot": Operation(_running, lambda c, lab: act(c, {"reboot": {"type": "HARD"}}), _rebooted, ACTIVE),
    "stop": Operation(_running, lambda c, lab: act(c, {"os-stop": None}), _status("SHUTOFF"), ("SHUTOFF",)),
    "start": Operation(_stopped, lambda c, lab: act(c, {"os-start": None}), _status("ACTIVE"), ACTIVE),
    "stop that nobody reports": Operation(
        _running, lambda c, lab: act(c, {"os-stop": None}), _status("SHUTOFF"), ("SHUTOFF",), silent=True
    ),
    "associate a floating ip": Operation(_running, associate, _points, ACTIVE),
    "disassociate a floating ip": Operation(_reachable, lambda c, lab: point(c, lab, None), _points_nowhere, ACTIVE),
}

__all__ = ["OPERATIONS", "ConnectionLost", "Lab", "Operation", "delete_all", "furnish", "listed"]
