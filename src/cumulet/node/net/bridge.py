"""The Linux bridge of a network.

The bridge has no address and takes no part in IPv6: this machine must not be reachable from a tenant's
network.
"""

from __future__ import annotations

from cumulet.node.net import names
from cumulet.node.net.links import Link, change, delete_device, links, sysctl


def ensure(network_id: str, mtu: int, here: dict[str, Link] | None = None) -> bool:
    """Make the bridge of a network with this MTU, up. True when anything changed."""
    name = names.bridge(network_id)
    link = (links() if here is None else here).get(name)
    if link is None:
        change([["link", "add", name, "type", "bridge", "forward_delay", "0", "stp_state", "0", *_FILTERED]])
    _hide_host(name)
    if link is not None and link.up and link.mtu == mtu and link.data.get("nf_call_iptables") == 1:
        return False
    commands = [["link", "set", "dev", name, "type", "bridge", *_FILTERED]]
    commands.append(["link", "set", "dev", name, "mtu", str(mtu), "up"])
    change(commands)
    return True


def ensure_exists(network_id: str, mtu: int) -> None:
    """Make the bridge unless it exists; its MTU is then the network's business."""
    here = links()
    if names.bridge(network_id) not in here:
        ensure(network_id, mtu, here)


def absent(network_id: str) -> None:
    """Remove the bridge; what is plugged in loses its master and stays."""
    name = names.bridge(network_id)
    if name in links():
        delete_device(name)


# Filtering of bridged packets is switched on per bridge, whatever the machine's sysctl says.
_FILTERED = ["nf_call_iptables", "1", "nf_call_ip6tables", "1"]


def _hide_host(name: str) -> None:
    """No IPv6 on the bridge, and no answer to ARP: Linux answers for all its addresses on every device."""
    for setting, value in (("disable_ipv6", "1"), ("accept_ra", "0"), ("autoconf", "0")):
        sysctl(f"net/ipv6/conf/{name}/{setting}", value)
    sysctl(f"net/ipv4/conf/{name}/arp_ignore", "8")
