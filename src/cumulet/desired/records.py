"""What the API says of a thing and no host needs: names, owners, times.

It travels with the spec and so is kept in the nodes' journals, from which rows can be made again when the database is
lost (`decisions/0036`). A node must never act on it. Times are microseconds since the epoch; 0 is unknown. What is as
it is without being asked for is left out on the wire.
"""

from __future__ import annotations

from typing import Any

import msgspec


class Record(msgspec.Struct, omit_defaults=True, kw_only=True):
    """Base of every record."""

    created_at: int = 0
    description: str = ""


class Owner(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A project or a user, by what it is called. `domain` is the name of its domain when that is not the default one.
    An empty `name` is unknown. `origin`: users of a directory or of an identity provider come back from there."""

    id: str
    name: str = ""
    domain_id: str = "default"
    domain: str = ""
    origin: str = "local"


class NetworkRecord(Record):
    """Of a network."""

    owner: Owner
    name: str = ""
    admin_state_up: bool = True
    shared: bool = False
    external: bool = False
    is_default: bool = False
    port_security_enabled: bool = True
    dns_domain: str = ""


class SubnetRecord(Record):
    """Of a subnet. `pools` are (first, last) addresses; `project_id` is empty when it is the network's."""

    project_id: str = ""
    name: str = ""
    pools: list[tuple[str, str]] = []
    ipv6_ra_mode: str | None = None
    ipv6_address_mode: str | None = None
    service_types: list[str] = []
    dns_publish_fixed_ip: bool = False


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


class GroupRecord(Record):
    """Of a security group."""

    owner: Owner
    name: str = ""
    is_default: bool = False
    stateful: bool = True


class RouterRecord(Record):
    """Of a router."""

    owner: Owner
    name: str = ""


class FloatingRecord(Record):
    """Of a floating IP: the port that it leads to, and the one that holds it on the external network."""

    owner: Owner
    port_id: str
    outside_port_id: str
    outside_mac: str
    subnet_id: str
    dns_name: str = ""
    dns_domain: str = ""


class GuestRecord(Record):
    """Of a server: all of its row that the guest's spec does not say. `description` is empty for none; `user_data` is
    base64, as it was given."""

    project: Owner
    user: Owner
    hostname: str
    seed: str
    reservation_id: str
    flavor_id: str
    zone: str | None = None
    extra_specs: dict[str, str] = {}
    rxtx_factor: float = 1.0
    is_public: bool = True
    key_name: str | None = None
    key_type: str | None = None
    public_key: str | None = None
    user_data: str | None = None
    meta: dict[str, str] = {}
    personality: list[dict[str, Any]] = []
    tags: list[str] = []
    disk_config: str = "MANUAL"
    access_ip_v4: str | None = None
    access_ip_v6: str | None = None
    launch_index: int = 0
    locked_by: str | None = None
    locked_reason: str | None = None
