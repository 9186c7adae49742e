"""Requests whose text may reach a host: for each operation of network and compute that takes a body, valid ones that
give every attribute that may be given. What must be given is read off the declarations.

A text ``$name`` is an id of the world that `build` makes.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from cumulet.desired.hosts import HostFacts
from cumulet.fleet.model import hosts
from cumulet.http.shapes import nested
from cumulet.services.network.api import security_group_rules
from cumulet.services.network.api.tags import NOUNS
from cumulet.services.network.wire.attributes import Resource
from tests.assembled import Assembled, mounted

HOST = "node"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDEkoWP5bqNvXjoJ0bBqmCPVTbLkXE3f2BQyRM3JnZ0D x"
_TEXT = base64.b64encode(b"#!/bin/sh\n").decode()


@dataclass(frozen=True)
class Sent:
    """A request. `refused`: it is valid for no cloud yet, and tried all the same."""

    operation: str
    body: Any
    version: str = ""
    path: str = ""
    refused: bool = False


# ---- network

_ROUTE = {"destination": "10.88.0.0/16", "nexthop": "10.77.0.9"}
_PORT = {
    "name": "p",
    "description": "d",
    "admin_state_up": True,
    "mac_address": "fa:16:3e:00:01:02",
    "fixed_ips": [{"subnet_id": "$subnet", "ip_address": "10.77.0.50"}, {"ip_address": "fd00:77::50"}],
    "security_groups": ["$group"],
    "port_security_enabled": True,
    "allowed_address_pairs": [
        {"ip_address": "10.99.0.0/24", "mac_address": "fa:16:3e:00:01:03"},
        {"ip_address": "fd00:99::/64"},
        {"ip_address": "10.99.1.1"},
    ],
    "extra_dhcp_opts": [
        {"opt_name": "bootfile-name", "opt_value": "a.pxe", "ip_version": 4},
        {"opt_name": "66", "opt_value": "10.0.0.9", "ip_version": "4"},
        {"opt_name": "dns-server", "opt_value": "::1", "ip_version": 6},
    ],
    "binding:host_id": HOST,
    "binding:profile": {"a": "b"},
    "binding:vnic_type": "normal",
    "dns_name": "web",
    "dns_domain": "example.org.",
}
_V4 = {
    "name": "s",
    "description": "d",
    "ip_version": 4,
    "cidr": "10.66.0.0/24",
    "gateway_ip": "10.66.0.1",
    "enable_dhcp": True,
    "allocation_pools": [{"start": "10.66.0.10", "end": "10.66.0.20"}],
    "dns_nameservers": ["10.66.0.3"],
    "host_routes": [{"destination": "10.67.0.0/16", "nexthop": "10.66.0.4"}],
    "service_types": ["compute:nova"],
    "dns_publish_fixed_ip": False,
    "subnetpool_id": None,
}
_V6 = {
    **_V4,
    "ip_version": 6,
    "cidr": "fd00:66::/64",
    "gateway_ip": "fd00:66::1",
    "allocation_pools": [{"start": "fd00:66::10", "end": "fd00:66::20"}],
    "dns_nameservers": ["fd00:66::3"],
    "host_routes": [{"destination": "fd00:67::/64", "nexthop": "fd00:66::4"}],
    "ipv6_ra_mode": "dhcpv6-stateful",
    "ipv6_address_mode": "dhcpv6-stateful",
}
_NETWORK = {
    "name": "n",
    "description": "d",
    "admin_state_up": True,
    "shared": True,
    "router:external": False,
    "is_default": False,
    "mtu": 1400,
    "port_security_enabled": True,
    "dns_domain": "example.org.",
}
_SEGMENT = {
    "availability_zone_hints": ["nova"],
    "provider:network_type": "vxlan",
    "provider:physical_network": None,
    "provider:segmentation_id": 4711,
}
_FLAT = {"provider:network_type": "flat", "provider:physical_network": "other"}
_GATEWAY = {
    "network_id": "$external",
    "enable_snat": True,
    "external_fixed_ips": [{"subnet_id": "$outside", "ip_address": "203.0.113.77"}],
}
_ROUTER = {
    "name": "r",
    "description": "d",
    "admin_state_up": True,
    "external_gateway_info": _GATEWAY,
    "distributed": False,
    "ha": False,
}
_GROUP = {"name": "g", "description": "d", "stateful": True}
_RULE = {
    "description": "d",
    "security_group_id": "$group",
    "direction": "ingress",
    "ethertype": "IPv4",
    "protocol": "tcp",
    "port_range_min": 22,
    "port_range_max": "23",
    "remote_ip_prefix": "10.0.0.0/8",
    "remote_group_id": None,
    "remote_address_group_id": None,
}
_FLOATING = {
    "description": "d",
    "floating_network_id": "$external",
    "floating_ip_address": "203.0.113.88",
    "subnet_id": "$outside",
    "port_id": "$port",
    "fixed_ip_address": "10.77.0.40",
    "dns_name": "web",
    "dns_domain": "example.org.",
}
_LATER = {"device_id", "device_owner"}
_DEVICE = {"device_id": "d", "device_owner": "baremetal:none"}


def _without(values: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in names}


CREATED: dict[str, list[dict[str, Any]]] = {
    "network": [{**_NETWORK, **_SEGMENT}, {**_NETWORK, **_FLAT}],
    "subnet": [{"network_id": "$network", **_V4}, {"network_id": "$network", **_V6}],
    "port": [{"network_id": "$network", **_PORT}, {"network_id": "$network", **_DEVICE}],
    "router": [{**_ROUTER, "availability_zone_hints": ["nova"], "flavor_id": None}],
    "floatingip": [_FLOATING],
    "security_group": [_GROUP],
    "security_group_rule": [
        _RULE,
        {**_RULE, "remote_ip_prefix": None, "remote_group_id": "$group", "protocol": "17"},
        {**_RULE, "ethertype": "IPv6", "remote_ip_prefix": "fd00::/8", "protocol": "icmpv6", "port_range_max": 0},
        {"security_group_id": "$group", "direction": "egress", "protocol": "hopopt"},
    ],
}
UPDATED: dict[str, list[dict[str, Any]]] = {
    "network": [_NETWORK, _without(_SEGMENT, "availability_zone_hints")],
    "subnet": [
        {
            **_without(_V4, "ip_version", "cidr", "subnetpool_id"),
            "gateway_ip": "10.77.0.1",
            "allocation_pools": [{"start": "10.77.0.2", "end": "10.77.0.200"}],
            "host_routes": [{"destination": "10.67.0.0/16", "nexthop": "10.77.0.4"}],
        }
    ],
    "port": [_without(_PORT, "binding:host_id"), {"binding:host_id": HOST}, _DEVICE],
    "router": [_ROUTER, {"routes": [_ROUTE]}],
    "floatingip": [{"description": "d", "port_id": "$port", "fixed_ip_address": "10.77.0.40"}],
    "security_group": [_GROUP],
    "security_group_rule": [],
}
_UNASSIGNABLE = {("network", "provider:network_type"), ("network", "provider:segmentation_id")}
"""Bodies with these are refused whatever they hold, as the network has other values."""
_PATHS = {
    "network": "networks",
    "subnet": "subnets",
    "port": "ports",
    "router": "routers",
    "floatingip": "floatingips",
    "security_group": "security-groups",
    "security_group_rule": "security-group-rules",
}
RESOURCES: dict[str, Resource] = {
    noun.resource.name: noun.resource for noun in (*NOUNS.values(), security_group_rules.NOUN)
}
_ROUTERS = "/v2.0/routers/{router_id}"
OTHERS = [
    Sent(f"PUT {_ROUTERS}/add_router_interface", {"subnet_id": "$spare"}, path="/v2.0/routers/$router"),
    Sent(f"PUT {_ROUTERS}/add_router_interface", {"port_id": "$leg"}, path="/v2.0/routers/$router"),
    Sent(f"PUT {_ROUTERS}/remove_router_interface", {"subnet_id": "$subnet"}, path="/v2.0/routers/$router"),
    Sent(f"PUT {_ROUTERS}/add_extraroutes", {"router": {"routes": [_ROUTE]}}, path="/v2.0/routers/$router"),
    Sent(f"PUT {_ROUTERS}/remove_extraroutes", {"router": {"routes": [_ROUTE]}}, path="/v2.0/routers/$router"),
    Sent("PUT /v2.0/{collection}/{resource_id}/tags", {"tags": ["a"]}, path="/v2.0/ports/$port"),
]
NETWORK_ALONE = {"PUT /v2.0/quotas/{project_id}"}
"""Numbers that the controller keeps to itself."""


def network_requests() -> Iterator[Sent]:
    """All of network's."""
    for name, plural in _PATHS.items():
        path = f"/v2.0/{plural}"
        for body in CREATED[name]:
            yield Sent(f"POST {path}", {name: body}, path=path)
        parameter = {"security_group": "group_id"}.get(name, f"{name}_id")
        for body in UPDATED[name]:
            refused = any((name, given) in _UNASSIGNABLE for given in body)
            place = f"{path}/${name.removeprefix('security_')}"
            yield Sent(f"PUT {path}/{{{parameter}}}", {name: body}, path=place, refused=refused)
    for sent in OTHERS:
        yield Sent(sent.operation, sent.body, path=f"{sent.path}/{sent.operation.rsplit('/', 1)[1]}")


def network_fields_left() -> set[str]:
    """Attributes that may be given and that no body gives."""
    left = set()
    for name, resource in RESOURCES.items():
        for given, bodies, verb in (("post", CREATED, "create"), ("put", UPDATED, "update")):
            wanted = {attribute for attribute, each in resource.attributes.items() if getattr(each, given)}
            held = {attribute for body in bodies.get(name, ()) for attribute in body}
            left |= {f"{verb} {name}: {attribute}" for attribute in wanted - held if bodies.get(name)}
    return left


# ---- compute

_SERVER = {"name": "web", "flavorRef": "$flavor", "imageRef": "$image", "networks": "none"}
_ON_NETWORK = {**_SERVER, "networks": [{"uuid": "$network", "fixed_ip": "10.77.0.60", "tag": "nic"}]}
_ALL = {
    **_ON_NETWORK,
    "key_name": "key",
    "user_data": _TEXT,
    "security_groups": [{"name": "default"}],
    "metadata": {"a": "b"},
    "config_drive": True,
    "min_count": 1,
    "max_count": "1",
    "availability_zone": "nova",
    "description": "d",
    "tags": ["t"],
    "trusted_image_certificates": [],
    "hostname": "web",
    "return_reservation_id": False,
    "adminPass": "x",
    "accessIPv4": "192.0.2.1",
    "accessIPv6": "2001:db8::1",
    "OS-DCF:diskConfig": "AUTO",
}
_DEVICE_MAPPING = {
    "boot_index": 0,
    "uuid": "$image",
    "source_type": "image",
    "destination_type": "local",
    "delete_on_termination": True,
    "volume_size": None,
    "device_name": "vda",
    "device_type": "disk",
    "disk_bus": "virtio",
    "guest_format": None,
    "volume_id": None,
    "snapshot_id": None,
    "tag": "t",
}
_FILES = [{"path": "/etc/motd", "contents": _TEXT}]
_ACTION = "POST /v2.1/servers/{server_id}/action"
_OLD_WAY = {"address": "203.0.113.66"}
_OLD_FIXED = {"fixed_address": "10.77.0.9"}
COMPUTE = [
    Sent("POST /v2.1/servers", {"server": _ALL, "os:scheduler_hints": {"a": "b"}}, "2.96"),
    Sent("POST /v2.1/servers", {"server": {**_ON_NETWORK, "networks": [{"port": "$free", "tag": "nic"}]}}, "2.42"),
    Sent("POST /v2.1/servers", {"server": {**_ON_NETWORK, "hostname": "a.example.org"}}, "2.94"),
    Sent("POST /v2.1/servers", {"server": {**_SERVER, "networks": [{"uuid": "$network", "fixed_ip": "fd00:77::60"}]}}),
    Sent("POST /v2.1/servers", {"server": {**_SERVER, "host": HOST, "hypervisor_hostname": HOST}}, "2.74"),
    Sent("POST /v2.1/servers", {"server": {**_SERVER, "block_device_mapping_v2": [_DEVICE_MAPPING]}}, "2.42"),
    Sent("POST /v2.1/servers", {"server": {**_SERVER, "block_device_mapping": ["x"]}}, "2.42", refused=True),
    Sent(
        "POST /v2.1/servers",
        {
            "server": {**_without(_ON_NETWORK, "networks"), "networks": [{"uuid": "$network"}], "personality": _FILES},
            "OS-SCH-HNT:scheduler_hints": {"a": "b"},
        },
        "2.1",
    ),
    Sent(
        "PUT /v2.1/servers/{server_id}",
        {
            "server": {
                "name": "new",
                "description": "d",
                "hostname": "new",
                "accessIPv4": "192.0.2.1",
                "accessIPv6": "2001:db8::1",
                "OS-DCF:diskConfig": "AUTO",
            }
        },
        "2.90",
    ),
    Sent("POST /v2.1/servers/{server_id}/metadata", {"metadata": {"a": "b"}}),
    Sent("PUT /v2.1/servers/{server_id}/metadata", {"metadata": {"a": "b"}}),
    Sent("PUT /v2.1/servers/{server_id}/metadata/{key}", {"meta": {"a": "b"}}),
    Sent("PUT /v2.1/servers/{server_id}/tags", {"tags": ["a"]}, "2.90"),
    Sent("POST /v2.1/os-keypairs", {"keypair": {"name": "new", "public_key": KEY, "type": "ssh"}}, "2.90"),
    Sent(f"{_ACTION} (addSecurityGroup)", {"addSecurityGroup": {"name": "default"}}),
    Sent(f"{_ACTION} (removeSecurityGroup)", {"removeSecurityGroup": {"name": "none"}}, refused=True),
    Sent(f"{_ACTION} (reboot)", {"reboot": {"type": "HARD"}}, refused=True),
    Sent(
        f"{_ACTION} (addFloatingIp)",
        {"addFloatingIp": _OLD_WAY | _OLD_FIXED},
        "2.43",
        refused=True,
    ),
    Sent(f"{_ACTION} (removeFloatingIp)", {"removeFloatingIp": _OLD_WAY}, "2.43", refused=True),
    Sent(
        f"{_ACTION} (removeFloatingIp)",
        {"removeFloatingIp": _OLD_WAY | _OLD_FIXED},
        "2.43",
        refused=True,
    ),
    Sent(f"{_ACTION} (os-getConsoleOutput)", {"os-getConsoleOutput": {"length": 10}}, refused=True),
]
COMPUTE_ALONE = {
    # What guests get of a flavor is tried in the shapes of desired state; the rest stays in the controller.
    "POST /v2.1/flavors",
    "PUT /v2.1/flavors/{flavor_id}",
    "POST /v2.1/flavors/{flavor_id}/action (addTenantAccess)",
    "POST /v2.1/flavors/{flavor_id}/action (removeTenantAccess)",
    "POST /v2.1/flavors/{flavor_id}/os-extra_specs",
    "PUT /v2.1/flavors/{flavor_id}/os-extra_specs/{key}",
    "PUT /v2.1/os-quota-sets/{project_id}",
    "PUT /v2.1/os-quota-class-sets/{name}",
    "PUT /v2.1/os-services/{service_id}",
    "PUT /v2.1/os-services/{action}",
    "POST /v2.1/servers/{server_id}/remote-consoles",
    f"{_ACTION} (os-getVNCConsole)",
}
NEVER_GIVEN = {"NewKeypair.user_id"}
"""Only for administrators, and looked up before anything else."""


def compute_requests() -> Iterator[Sent]:
    """All of compute's."""
    for sent in COMPUTE:
        path = sent.operation.split(" ")[1].replace("{server_id}", "$server").replace("{key}", "a")
        yield Sent(sent.operation, sent.body, sent.version, path, sent.refused)


def shape_fields(shape: type) -> set[str]:
    """``Struct.field`` of a shape and of all shapes in it."""
    found = {f"{shape.__name__}.{each.encode_name}" for each in msgspec.structs.fields(shape)}
    for _, inner in nested(shape):
        found |= shape_fields(inner)
    return found


def given_fields(shape: type, raw: Any) -> set[str]:
    """Those of them that a body gives."""
    if isinstance(raw, list):
        return set().union(*(given_fields(shape, each) for each in raw))
    if not isinstance(raw, dict):
        return set()
    names = [each.encode_name for each in msgspec.structs.fields(shape)]
    found = {f"{shape.__name__}.{name}" for name in names if name in raw}
    for name, inner in nested(shape):
        found |= given_fields(inner, raw.get(name))
    return found


# ---- the world


@dataclass
class World:
    """A cloud with one of everything on one host. `ids`: what ``$name`` stands for."""

    cloud: Assembled
    link_id: str
    ids: dict[str, str] = field(default_factory=dict)


def build(cloud: Assembled) -> World:
    """Networks, ports, a router, a group, a server, on a host that has joined."""
    facts = HostFacts(hostname=HOST, vcpus=64, memory_mb=1 << 18, disk_gb=4096, tunnel_ip="10.255.0.1")
    link = mounted(cloud.controller, "link").context
    with cloud.controller.db.transaction() as tx:
        link_id, _ = hosts.join(tx, HOST, [facts])
        for changed in link.hosts_changed:
            changed(tx, [HOST])
    world = World(cloud, link_id)
    ids = world.ids

    def ask(service: str, method: str, path: str, body: Any, **headers: str) -> Any:
        answer = cloud.ask(service, method, path, token=cloud.admin, body=body, headers=headers)
        assert answer.status < 300, (path, answer.status, answer.body)
        return answer.json if answer.body else None

    def make(plural: str, one: str, **values: Any) -> str:
        return str(ask("network", "POST", f"/v2.0/{plural}", {one: values})[one]["id"])

    outside = {"provider:network_type": "flat", "provider:physical_network": "provider", "router:external": True}
    ids["external"] = make("networks", "network", **outside)
    ids["outside"] = make("subnets", "subnet", network_id=ids["external"], ip_version=4, cidr="203.0.113.0/24")
    ids["network"] = net = make("networks", "network")
    ids["subnet"] = make("subnets", "subnet", network_id=net, ip_version=4, cidr="10.77.0.0/24")
    make("subnets", "subnet", network_id=net, ip_version=6, cidr="fd00:77::/64")
    other = make("networks", "network")
    ids["spare"] = make("subnets", "subnet", network_id=other, ip_version=4, cidr="10.78.0.0/24")
    ids["leg"] = make("ports", "port", network_id=other)
    ids["group"] = make("security-groups", "security_group", name="own")
    ids["port"] = make(
        "ports",
        "port",
        network_id=net,
        fixed_ips=[{"ip_address": "10.77.0.40"}],
        security_groups=[ids["group"]],
        **{"binding:host_id": HOST},
    )
    ids["free"] = make("ports", "port", network_id=net, security_groups=[ids["group"]])
    ids["router"] = make("routers", "router", external_gateway_info={"network_id": ids["external"]})
    path = f"/v2.0/routers/{ids['router']}/add_router_interface"
    ask("network", "PUT", path, {"subnet_id": ids["subnet"]})
    ids["floatingip"] = make("floatingips", "floatingip", floating_network_id=ids["external"])
    image = {"disk_format": "raw", "container_format": "bare"}
    ids["image"] = ask("image", "POST", "/v2/images", image)["id"]
    octets = {"content-type": "application/octet-stream"}
    ask("image", "PUT", f"/v2/images/{ids['image']}/file", b"x" * 512, **octets)
    flavor = {"flavor": {"name": "f", "ram": 64, "vcpus": 1, "disk": 1}}
    ids["flavor"] = ask("compute", "POST", "/v2.1/flavors", flavor)["flavor"]["id"]
    ask("compute", "POST", "/v2.1/os-keypairs", {"keypair": {"name": "key", "public_key": KEY}})
    server = {"name": "s", "flavorRef": ids["flavor"], "imageRef": ids["image"], "networks": [{"uuid": net}]}
    version = {"openstack-api-version": "compute 2.90"}
    ids["server"] = ask("compute", "POST", "/v2.1/servers", {"server": server}, **version)["server"]["id"]
    for name in ("port", "network", "router", "subnet", "security_group", "floatingip", "security_group_rule"):
        project = cloud.ask("network", "GET", f"/v2.0/networks/{net}", token=cloud.admin).json["network"]["project_id"]
        ask("network", "PUT", f"/v2.0/quotas/{project}", {"quota": {name: -1}})
    return world
