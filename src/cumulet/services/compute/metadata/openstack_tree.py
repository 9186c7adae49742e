"""OpenStack's own metadata: ``/openstack/latest/meta_data.json`` and what lies beside it."""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from cumulet.desired.addresses import Address
from cumulet.desired.network import Subnet
from cumulet.services.compute.metadata.facts import Facts

FOLSOM, GRIZZLY, HAVANA, LIBERTY = "2012-08-10", "2013-04-04", "2013-10-17", "2015-10-15"
NEWTON_ONE, NEWTON_TWO, OCATA, ROCKY, VICTORIA = "2016-06-30", "2016-10-06", "2017-02-22", "2018-08-27", "2020-10-14"
VERSIONS = (FOLSOM, GRIZZLY, HAVANA, LIBERTY, NEWTON_ONE, NEWTON_TWO, OCATA, ROCKY, VICTORIA)

_SINCE = {
    "meta_data.json": FOLSOM,
    "user_data": FOLSOM,
    "password": GRIZZLY,
    "vendor_data.json": HAVANA,
    "network_data.json": LIBERTY,
    "vendor_data2.json": NEWTON_TWO,
}


def meta_data(facts: Facts, version: str = VICTORIA) -> dict[str, Any]:
    """``meta_data.json``."""
    row = facts.server
    body: dict[str, Any] = {"uuid": row.id}
    if row.meta:
        body["meta"] = row.meta
    if row.personality:
        body["files"] = [
            {"content_path": f"/content/{index:04d}", "path": file["path"]}
            for index, file in enumerate(row.personality)
        ]
    if row.key_name:
        body["public_keys"] = {row.key_name: facts.public_key}
        if version >= HAVANA:
            body["keys"] = [{"name": row.key_name, "type": row.key_type, "data": facts.public_key}]
    body["hostname"] = facts.hostname
    body["name"] = row.name
    body["launch_index"] = row.launch_index
    body["availability_zone"] = facts.place.zone
    if version >= GRIZZLY:
        body["random_seed"] = facts.random_seed
    if version >= LIBERTY:
        body["project_id"] = row.project_id
    if version >= NEWTON_ONE:
        body["devices"] = []
    if version >= VICTORIA:
        body["dedicated_cpus"] = []
    return body


def network_data(facts: Facts) -> dict[str, Any]:
    """``network_data.json``: links, the networks on them, and name servers."""
    links: list[dict[str, Any]] = []
    networks: list[dict[str, Any]] = []
    servers: list[str] = []
    for interface in facts.interfaces:
        link = f"tap{interface.port_id[:11]}"
        links.append(
            {
                "id": link,
                "vif_id": interface.port_id,
                "type": "bridge",
                "mtu": interface.mtu,
                "ethernet_mac_address": interface.mac,
            }
        )
        for address in interface.addresses:
            subnet = facts.subnets.get(address.subnet_id)
            networks.append(_network(f"network{len(networks)}", link, interface.network_id, address, subnet))
            servers += [] if subnet is None else subnet.dns_nameservers
    services = [{"type": "dns", "address": server} for server in dict.fromkeys(servers)]
    return {"links": links, "networks": networks, "services": services}


def _network(name: str, link: str, network_id: str, address: Address, subnet: Subnet | None) -> dict[str, Any]:
    version = ipaddress.ip_address(address.ip).version
    body: dict[str, Any] = {"id": name, "type": f"ipv{version}", "link": link, "network_id": network_id}
    if subnet is not None and subnet.enable_dhcp and version == 4:
        return body | {"type": "ipv4_dhcp"}
    netmask = str(ipaddress.ip_network(f"{address.ip}/{address.prefix}", strict=False).netmask)
    routes = []
    if subnet is not None:
        any_address = "0.0.0.0" if version == 4 else "::"
        if subnet.gateway_ip:
            routes.append({"network": any_address, "netmask": any_address, "gateway": subnet.gateway_ip})
        for route in subnet.host_routes:
            target = ipaddress.ip_network(route.destination, strict=False)
            hop = {"network": str(target.network_address), "netmask": str(target.netmask), "gateway": route.nexthop}
            routes.append(hop)
    services = [{"type": "dns", "address": server} for server in (subnet.dns_nameservers if subnet else [])]
    return body | {"ip_address": address.ip, "netmask": netmask, "routes": routes, "services": services}


def content(facts: Facts, number: str) -> bytes | None:
    """An injected file."""
    if not re.fullmatch("[0-9]{4}", number) or int(number) >= len(facts.server.personality):
        return None
    return base64.b64decode(facts.server.personality[int(number)]["contents"])


def files(facts: Facts, version: str = VICTORIA) -> list[str]:
    """Names of what a version has."""
    have_user_data = facts.server.user_data is not None
    return [n for n, since in _SINCE.items() if version >= since and (n != "user_data" or have_user_data)]


def file(facts: Facts, name: str, version: str = VICTORIA) -> bytes | None:
    """One file of a version, or None."""
    if name not in files(facts, version):
        return None
    if name == "user_data":
        return facts.user_data
    if name == "password":
        return b""
    bodies: dict[str, Any] = {"vendor_data.json": {}, "vendor_data2.json": {"static": {}}}
    if name == "meta_data.json":
        return msgspec.json.encode(meta_data(facts, version))
    if name == "network_data.json":
        return msgspec.json.encode(network_data(facts))
    return msgspec.json.encode(bodies[name])


def lookup(facts: Facts, parts: Sequence[str]) -> bytes | None:
    """What stands at a path (its parts after ``/openstack``), or None."""
    if not parts:
        return "\n".join([*VERSIONS, "latest"]).encode()
    if parts[0] == "content":
        return content(facts, parts[1]) if len(parts) == 2 else None
    version = VERSIONS[-1] if parts[0] == "latest" else parts[0]
    if version not in VERSIONS:
        return None
    if len(parts) == 1:
        return "\n".join(files(facts, version)).encode()
    return file(facts, parts[1], version) if len(parts) == 2 else None
