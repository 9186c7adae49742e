"""Tap devices of guests: persistent, in the bridge of their network, made before the guest starts.

A tap is never plugged before its port has rules; the façade sees to that.
"""

from __future__ import annotations

from cumulet.desired.port import Interface
from cumulet.desired.texts import mac
from cumulet.node.net import names
from cumulet.node.net.links import change, delete_device, links
from cumulet.node.net.run import NodeError


def ensure(iface: Interface) -> str:
    """Make the tap and plug it in; returns its name. NodeError when its bridge does not exist."""
    name, master = names.tap(iface.port_id), names.bridge(iface.network_id)
    here = links()
    if master not in here:
        raise NodeError(f"The bridge {master} of the port's network does not exist on this host")
    link = here.get(name)
    state = "up" if iface.admin_state_up else "down"
    commands = []
    if link is None:
        # The host's end has a MAC of its own, high enough not to become the bridge's.
        own = "fe" + mac(iface.mac)[2:]
        commands.append(["tuntap", "add", "dev", name, "mode", "tap", "user", "0"])
        commands.append(["link", "set", "dev", name, "address", own])
    if link is None or link.mtu != iface.mtu or link.master != master or link.up != iface.admin_state_up:
        commands.append(["link", "set", "dev", name, "mtu", str(iface.mtu), "master", master, state])
    change(commands)
    return name


def absent(port_id: str) -> None:
    """Remove the tap; a guest that still uses it loses its network."""
    delete_device(names.tap(port_id))
