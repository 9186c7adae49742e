"""Desired state of kind ``port``: a guest's port, with its device, its addresses and what may pass.

A guest names its ports (`Plug`) and has none of this. Until format 1 of guests the whole of it stood in the guest
(`Interface`); `split` and `joined` lead from one form to the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cumulet.desired.addresses import Address
from cumulet.desired.records import Record
from cumulet.desired.shape import Shape

FORMAT = 1
"""Of what is said here; it rises when an earlier node would take it for something else."""


class AddressPair(Shape):
    ip: str
    mac: str


class Plug(Shape):
    """What a machine has of a port: its network card."""

    port_id: str
    network_id: str
    mac: str
    mtu: int = 1450


class Interface(Shape):
    """A port with all that its host does for it: tap device ``tap<port_id[:11]>`` in the bridge of `network_id`."""

    port_id: str
    network_id: str
    mac: str
    addresses: list[Address] = []
    mtu: int = 1450
    port_security: bool = True
    security_groups: list[str] = []
    allowed_address_pairs: list[AddressPair] = []
    admin_state_up: bool = True
    record: PortRecord | None = None


class Port(Shape):
    """A port on the host of its guest. Its tap and its filters are there whether the guest runs or not."""

    id: str
    guest_id: str
    network_id: str
    mac: str
    addresses: list[Address] = []
    mtu: int = 1450
    port_security: bool = True
    security_groups: list[str] = []
    allowed_address_pairs: list[AddressPair] = []
    admin_state_up: bool = True
    record: PortRecord | None = None

    @property
    def interface(self) -> Interface:
        """The port as the network's parts take it."""
        return Interface(port_id=self.id, **{name: getattr(self, name) for name in _SAME})


_SAME = (
    *("network_id", "mac", "addresses", "mtu", "port_security", "security_groups", "allowed_address_pairs"),
    *("admin_state_up", "record"),
)


def split(guest_id: str, interfaces: Sequence[Interface]) -> tuple[list[Plug], dict[str, Port]]:
    """What a guest of format 2 has in place of these, and its ports by id."""
    plugs = [Plug(port_id=one.port_id, network_id=one.network_id, mac=one.mac, mtu=one.mtu) for one in interfaces]
    ports = {
        one.port_id: Port(id=one.port_id, guest_id=guest_id, **{name: getattr(one, name) for name in _SAME})
        for one in interfaces
    }
    return plugs, ports


def joined(plugs: Sequence[Plug], ports: Mapping[str, Port]) -> list[Interface]:
    """What a guest of format 1 has in place of its plugs. Of a port that is not known it is what the plug says."""
    return [
        ports[one.port_id].interface
        if one.port_id in ports
        else Interface(port_id=one.port_id, network_id=one.network_id, mac=one.mac, mtu=one.mtu)
        for one in plugs
    ]


class PortRecord(Record):
    """Of a port. `project_id` is empty when it is that of the server, router or network which it is told with.
    `made`: compute made it and takes it away with the server. `security_groups` only where nothing else says them."""

    project_id: str = ""
    name: str = ""
    made: bool = True
    tag: str | None = None
    dns_name: str = ""
    dns_domain: str = ""
    named_at: int = 0
    device_id: str = ""
    device_owner: str = ""
    admin_state_up: bool = True
    port_security: bool = True
    security_groups: list[str] = []
    allowed_address_pairs: list[tuple[str, str]] = []
    extra_dhcp_opts: list[tuple[str, str, int]] = []
