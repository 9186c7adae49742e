"""Requests to network's operations, and the networks, ports and routers of the project *own* that they are about."""

from __future__ import annotations

from typing import Any

from tests.matrix.asking import Ask
from tests.matrix.world import World

_SHARED = {"network_id": "$shared_network"}
_EXTERNAL = {"network_id": "$external"}


def _noun(
    plural: str, one: str, parameter: str, body: dict[str, Any], changed: dict[str, Any] | None = None, **spare: str
) -> dict[str, list[Ask]]:
    """The five operations of a noun. `spare`: the one that is deleted, as nothing hangs on it."""
    path = f"/v2.0/{plural}/{{{parameter}}}"
    found = {
        f"GET /v2.0/{plural}": [Ask(shows=f"${parameter}")],
        f"POST /v2.0/{plural}": [Ask({one: body}), Ask({one: body | {"project_id": "$own"}}, "for the project own")],
        f"GET {path}": [Ask()],
        f"DELETE {path}": [Ask(where=spare)],
    }
    return found | ({f"PUT {path}": [Ask({one: changed})]} if changed else {})


def _tags() -> dict[str, list[Ask]]:
    path, asks = "/v2.0/{collection}/{resource_id}/tags", {}
    kinds = {
        "networks": "network_id",
        "subnets": "subnet_id",
        "ports": "port_id",
        "routers": "router_id",
        "floatingips": "floatingip_id",
        "security-groups": "group_id",
    }
    for method, end, body in (
        ("GET", "", None),
        ("PUT", "", {"tags": ["a"]}),
        ("DELETE", "", None),
        ("GET", "/{tag}", None),
        ("PUT", "/{tag}", None),
        ("DELETE", "/{tag}", None),
    ):
        asks[f"{method} {path}{end}"] = [
            Ask(body, kind, where={"collection": kind, "resource_id": f"${name}"}) for kind, name in kinds.items()
        ]
    return asks


_RULE = {"security_group_id": "$group_id", "direction": "ingress", "protocol": "tcp", "port_range_min": 22}
_NO_ROUTES = {"router": {"routes": []}}
_QUOTA = "/v2.0/quotas/{project_id}"

REQUESTS: dict[str, list[Ask]] = {
    "GET /": [Ask()],
    "GET /v2.0": [Ask()],
    "GET /v2.0/extensions": [Ask()],
    "GET /v2.0/extensions/{alias}": [Ask()],
    "GET /v2.0/availability_zones": [Ask()],
    "GET /v2.0/service-providers": [Ask()],
    "GET /v2.0/agents": [Ask()],
    "GET /v2.0/agents/{agent_id}": [Ask()],
    "DELETE /v2.0/agents/{agent_id}": [Ask()],
    "GET /v2.0/network-ip-availabilities": [Ask(shows="$network_id")],
    "GET /v2.0/network-ip-availabilities/{network_id}": [Ask()],
    **_noun("networks", "network", "network_id", {"name": "new"}, {"name": "renamed"}, network_id="$spare_network"),
    **_noun(
        "subnets",
        "subnet",
        "subnet_id",
        {"network_id": "$network_id", "ip_version": 4, "cidr": "10.9.0.0/24"},
        {"name": "renamed"},
        subnet_id="$spare_subnet",
    ),
    **_noun("ports", "port", "port_id", {"network_id": "$network_id"}, {"name": "renamed"}),
    **_noun("routers", "router", "router_id", {"name": "new"}, {"name": "renamed"}, router_id="$spare_router"),
    **_noun(
        "floatingips", "floatingip", "floatingip_id", {"floating_network_id": "$external"}, {"description": "changed"}
    ),
    **_noun("security-groups", "security_group", "group_id", {"name": "new"}, {"name": "renamed"}),
    **_noun("security-group-rules", "security_group_rule", "rule_id", _RULE | {"port_range_max": 22}),
    "PUT /v2.0/routers/{router_id}/add_router_interface": [Ask({"subnet_id": "$spare_subnet"})],
    "PUT /v2.0/routers/{router_id}/remove_router_interface": [Ask({"subnet_id": "$subnet_id"})],
    "PUT /v2.0/routers/{router_id}/add_extraroutes": [Ask(_NO_ROUTES)],
    "PUT /v2.0/routers/{router_id}/remove_extraroutes": [Ask(_NO_ROUTES)],
    "GET /v2.0/quotas": [Ask()],
    f"GET {_QUOTA}": [Ask()],
    f"GET {_QUOTA}/default": [Ask()],
    f"GET {_QUOTA}/default.json": [Ask()],
    f"GET {_QUOTA}/details": [Ask()],
    f"GET {_QUOTA}/details.json": [Ask()],
    f"PUT {_QUOTA}": [Ask({"quota": {"port": 500}})],
    f"DELETE {_QUOTA}": [Ask()],
    **_tags(),
}
REQUESTS["GET /v2.0/networks/{network_id}"] += [
    Ask(label="shared", where=_SHARED),
    Ask(label="external", where=_EXTERNAL),
]
REQUESTS["PUT /v2.0/networks/{network_id}"] += [
    Ask({"network": {"name": "renamed"}}, "shared", where=_SHARED),
    Ask({"network": {"shared": True}}, "make shared"),
]
REQUESTS["DELETE /v2.0/networks/{network_id}"] += [Ask(label="shared", where=_SHARED)]
REQUESTS["POST /v2.0/ports"] += [Ask({"port": {"network_id": "$shared_network"}}, "in a shared network")]
REQUESTS["POST /v2.0/subnets"] += [
    Ask({"subnet": {"network_id": "$shared_network", "ip_version": 4, "cidr": "10.9.0.0/24"}}, "in a shared network")
]


def build(world: World) -> None:
    """One of each thing of *own*, a network of its that everybody may use, and one that leads outside."""
    ids, token = world.ids, world.tokens["own admin"]

    def make(plural: str, one: str, **fields: Any) -> str:
        made = world.ask("POST", f"/v2.0/{plural}", {one: fields}, token, None, "network")[one]
        return str(made["id"])

    ids.update(alias="router", tag="tag", project_id=ids["own"], agent_id="6d4c1a62-7d2e-4a4c-9a86-2a51b1d6a1f0")
    outside = {"provider:network_type": "flat", "provider:physical_network": "provider", "router:external": True}
    ids["external"] = make("networks", "network", name="outside", **outside)
    make("subnets", "subnet", network_id=ids["external"], ip_version=4, cidr="203.0.113.0/24")
    for name in ("network_id", "spare_network", "shared_network"):
        ids[name] = make("networks", "network", name=name, shared=name == "shared_network")
    for number, name in enumerate(("subnet_id", "spare_subnet")):
        cidr = f"10.{number}.0.0/24"
        ids[name] = make("subnets", "subnet", network_id=ids["network_id"], ip_version=4, cidr=cidr)
    make("subnets", "subnet", network_id=ids["shared_network"], ip_version=4, cidr="10.2.0.0/24")
    ids["port_id"] = make("ports", "port", network_id=ids["network_id"], fixed_ips=[{"subnet_id": ids["subnet_id"]}])
    for name in ("router_id", "spare_router"):
        ids[name] = make("routers", "router", name=name)
    path = f"/v2.0/routers/{ids['router_id']}/add_router_interface"
    world.ask("PUT", path, {"subnet_id": ids["subnet_id"]}, token, None, "network")
    ids["floatingip_id"] = make("floatingips", "floatingip", floating_network_id=ids["external"])
    ids["group_id"] = make("security-groups", "security_group", name="group")
    rule = {"security_group_id": ids["group_id"], "direction": "ingress", "protocol": "icmp"}
    ids["rule_id"] = make("security-group-rules", "security_group_rule", **rule)
    quota = f"/v2.0/quotas/{ids['own']}"
    world.ask("PUT", quota, {"quota": {"port": 400}}, token, None, "network")
    for kind, name in (
        ("networks", "network_id"),
        ("subnets", "subnet_id"),
        ("ports", "port_id"),
        ("routers", "router_id"),
        ("floatingips", "floatingip_id"),
        ("security-groups", "group_id"),
    ):
        world.ask("PUT", f"/v2.0/{kind}/{ids[name]}/tags/tag", None, token, None, "network")
