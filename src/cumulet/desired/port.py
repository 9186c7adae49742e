"""What a host knows of a port: its device, its addresses and what may pass."""

from __future__ import annotations

from cumulet.desired.addresses import Address
from cumulet.desired.records import Record
from cumulet.desired.shape import Shape


class AddressPair(Shape):
    ip: str
    mac: str


class Interface(Shape):
    """A port plugged into the guest: tap device ``tap<port_id[:11]>`` in the bridge of `network_id`."""

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
