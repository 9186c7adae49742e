"""Names of everything the network parts make, as OpenStack's agents derive them from ids.

Names are pure functions of ids, so cleaning up needs no memory. Nothing here looks at the machine.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from cumulet.desired import texts

TOP = "neutron-filter-top"
FORWARD = "neutron-linuxbri-FORWARD"
INPUT = "neutron-linuxbri-INPUT"
PREROUTING = "neutron-linuxbri-PREROUTING"
SG_CHAIN = "neutron-linuxbri-sg-chain"
SG_FALLBACK = "neutron-linuxbri-sg-fallback"
MASQUERADE = "neutron-linuxbri-POSTROUTING"
L3 = "neutron-l3-agent"
POSTROUTING_BOTTOM = "neutron-postrouting-bottom"
METADATA_ADDRESS = "169.254.169.254"
METADATA_PORT = 9697


def checked(identifier: str) -> str:
    """The id itself when it is a lower-case UUID with dashes; ValueError else (it becomes part of names
    and paths)."""
    return texts.uuid(identifier)


def bridge(network_id: str) -> str:
    """Bridge of a network, ``brq<id[:11]>``."""
    return "brq" + checked(network_id)[:11]


def tap(port_id: str) -> str:
    """Device of a port in its bridge, ``tap<id[:11]>``."""
    return "tap" + checked(port_id)[:11]


def vxlan(vni: int) -> str:
    """VXLAN port of a segment, ``vxlan-<vni>``."""
    if not 0 < vni < 1 << 24:
        raise ValueError(f"not a VXLAN network identifier: {vni}")
    return f"vxlan-{vni}"


def dhcp_namespace(network_id: str) -> str:
    """Namespace that serves DHCP for a network."""
    return "qdhcp-" + checked(network_id)


def dhcp_device(port_id: str) -> str:
    """Device of the DHCP port inside its namespace."""
    return "ns-" + checked(port_id)[:11]


def router_namespace(router_id: str) -> str:
    """Namespace of a router."""
    return "qrouter-" + checked(router_id)


def router_device(port_id: str) -> str:
    """Internal leg of a router inside its namespace."""
    return "qr-" + checked(port_id)[:11]


def gateway_device(port_id: str) -> str:
    """Gateway leg of a router inside its namespace."""
    return "qg-" + checked(port_id)[:11]


def host_leg(network_id: str) -> str:
    """This machine's own leg in a provider network; carries the machine's address."""
    return "prv" + checked(network_id)[:11]


def host_leg_peer(network_id: str) -> str:
    """The bridge's end of :func:`host_leg`."""
    return "prb" + checked(network_id)[:11]


def chain_in(port_id: str) -> str:
    """Chain of what goes to the guest (ingress rules)."""
    return "neutron-linuxbri-i" + checked(port_id)[:10]


def chain_out(port_id: str) -> str:
    """Chain of what comes from the guest (egress rules)."""
    return "neutron-linuxbri-o" + checked(port_id)[:10]


def chain_spoof(port_id: str) -> str:
    """Chain of the addresses a guest may send from."""
    return "neutron-linuxbri-s" + checked(port_id)[:10]


def chain_mac(port_id: str) -> str:
    """Chain (nftables, bridge family) of the MAC and ARP addresses a guest may send from."""
    return "neutronMAC-" + tap(port_id)


def group_set(group_id: str, version: int) -> str:
    """The ipset of a security group's member addresses; 29 characters, so that ``-n`` fits behind for the
    swap."""
    return f"NIPv{version}{checked(group_id)}"[:29]


def cloud_tag(state: Path) -> str:
    """Eight characters that tell this cloud from another one on the same machine."""
    return hashlib.sha256(str(state.resolve()).encode()).hexdigest()[:8]


def spoof_table(tag: str) -> str:
    """The nftables bridge table of this cloud."""
    return f"neutron_{tag}"
