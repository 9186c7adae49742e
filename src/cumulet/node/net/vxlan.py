"""The VXLAN port of a tenant network: one flood entry per other host that has the network.

Uses UDP port 8472 as Linux did first and the guides show. Never touches a device of another cloud.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from cumulet.desired.texts import address
from cumulet.node.net import names
from cumulet.node.net.links import Link, change, delete_device, links
from cumulet.node.net.run import NodeError, run

PORT = 8472
_FLOOD = "00:00:00:00:00:00"


def ensure(network_id: str, vni: int, mtu: int, tunnel_ip: str | None, peers: Sequence[str]) -> None:
    """Make ``vxlan-<vni>`` in the network's bridge with exactly these peers (addresses of other hosts).

    Without a tunnel address the segment is local to this machine: the device exists and sends to nobody.
    NodeError when another cloud of this machine uses the same segment and there are peers to reach.
    """
    name, master = names.vxlan(vni), names.bridge(network_id)
    wanted = sorted({str(address(peer)) for peer in peers} - {tunnel_ip})
    here = links()
    link = here.get(name)
    if link is not None and link.master not in (None, master):
        if wanted:
            raise NodeError(f"VXLAN segment {vni} is in use by {link.master} on this machine")
        return
    if link is not None and link.data.get("local") != tunnel_ip:
        delete_device(name)
        link = None
    if link is None:
        _make(name, vni, tunnel_ip)
    _settle(name, link, master, mtu)
    _flood(name, wanted if tunnel_ip else [])


def absent(network_id: str) -> None:
    """Remove the VXLAN ports of a network's bridge."""
    master = names.bridge(network_id)
    for link in links().values():
        if link.master == master and link.kind == "vxlan":
            delete_device(link.name)


def _make(name: str, vni: int, tunnel_ip: str | None) -> None:
    local = ["local", str(address(tunnel_ip))] if tunnel_ip else []
    change([["link", "add", name, "type", "vxlan", "id", str(vni), *local, "dstport", str(PORT)]])


def _settle(name: str, link: Link | None, master: str, mtu: int) -> None:
    if link is None or link.master != master or link.mtu != mtu or not link.up:
        change([["link", "set", "dev", name, "master", master, "mtu", str(mtu), "up"]])


def _flood(name: str, peers: list[str]) -> None:
    entries = json.loads(run("bridge", "-j", "fdb", "show", "dev", name).stdout or "[]")
    found = {each["dst"] for each in entries if each.get("mac") == _FLOOD and "dst" in each}
    for peer in sorted(found - set(peers)):
        run("bridge", "fdb", "del", _FLOOD, "dev", name, "dst", peer, "self", check=False)
    for peer in peers:
        if peer not in found:
            run("bridge", "fdb", "append", _FLOOD, "dev", name, "dst", peer, "self", "permanent")
