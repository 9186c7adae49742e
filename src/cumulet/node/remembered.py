"""Guests' metadata while no controller can be asked: what stands on the guest's config drive, by the node's journal.

A guest without a config drive gets a 503 with a sentence; its own init asks again. Nothing is made up here.
"""

from __future__ import annotations

import base64
import ipaddress
import json
from typing import Any

from cumulet.desired.guest import BINARY, Guest
from cumulet.node.net.metadata import ProxyReply, ProxyRequest
from cumulet.node.parts import World

AWAY = b"The metadata service is away; try again.\n"
_EC2 = "ec2/latest"
_VERSIONS = ("latest", "2009-04-04")
"""Of the EC2 tree, that are on the drive."""


def answer(request: ProxyRequest, world: World) -> ProxyReply | None:
    """The answer to a guest's question; None when it is not known here."""
    guest = _asking(request, world)
    if guest is None or guest.config_drive is None or request.method not in ("GET", "HEAD"):
        return None
    path = "/".join(part for part in request.path.split("?")[0].split("/") if part)
    found = _found(guest.config_drive, path)
    if found is None:
        return None
    kind = "application/json" if path.endswith(".json") else "text/plain; charset=UTF-8"
    return ProxyReply(200, {"Content-Type": kind}, found)


def _asking(request: ProxyRequest, world: World) -> Guest | None:
    """The one guest that has this address on this network."""
    source = ipaddress.ip_address(request.source)
    asking = {
        port.id
        for port in world.specs("port").values()
        if port.network_id == request.network_id
        and any(ipaddress.ip_address(address.ip) == source for address in port.addresses)
    }
    found = [guest for guest in world.specs("guest").values() for each in guest.ports if each.port_id in asking]
    return found[0] if len(found) == 1 else None


def _found(drive: dict[str, str], path: str) -> bytes | None:
    if path in drive:
        return _bytes(drive[path]) if path.startswith("openstack/") else None
    version, _, rest = path.partition("/")
    if version not in _VERSIONS:
        return None
    if rest == "user-data":
        text = drive.get(f"{_EC2}/user-data")
        return None if text is None else _bytes(text)
    if rest.split("/")[0] == "meta-data" and (text := drive.get(f"{_EC2}/meta-data.json")) is not None:
        return _leaf(json.loads(_bytes(text)), rest.split("/")[1:])
    return None


def _leaf(tree: Any, parts: list[str]) -> bytes | None:
    for part in parts:
        if not isinstance(tree, dict) or part not in tree:
            return None
        tree = tree[part]
    if isinstance(tree, dict):
        return "\n".join(f"{key}/" if isinstance(tree[key], dict) else key for key in sorted(tree)).encode()
    return ("\n".join(map(str, tree)) if isinstance(tree, list) else str(tree)).encode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text[len(BINARY) :]) if text.startswith(BINARY) else text.encode()
