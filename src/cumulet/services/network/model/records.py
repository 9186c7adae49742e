"""What the API says of networks, ports, groups and routers and no host needs, as it travels with their specs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cumulet.db import TypedRow
from cumulet.desired.network import NetworkRecord, SubnetRecord
from cumulet.desired.port import PortRecord
from cumulet.desired.records import Owner
from cumulet.desired.router import FloatingRecord, RouterRecord
from cumulet.desired.security_group import GroupRecord
from cumulet.services.network.tables import FloatingIpRow, NetworkRow, PortRow, RouterRow, SecurityGroupRow, SubnetRow

Owners = Mapping[str, Owner]


class OutsideRow(TypedRow):
    """The port that holds the address of a floating ip."""

    id: str
    mac_address: str
    subnet_id: str


def _owner(owners: Owners, id: str) -> Owner:
    return owners.get(id) or Owner(id=id)


def of_network(row: NetworkRow, owners: Owners) -> NetworkRecord:
    """A network's."""
    return NetworkRecord(
        created_at=row.created_at,
        description=row.description,
        owner=_owner(owners, row.project_id),
        name=row.name,
        admin_state_up=row.admin_state_up,
        shared=row.shared,
        external=row.external,
        is_default=row.is_default,
        port_security_enabled=row.port_security_enabled,
        dns_domain=row.dns_domain,
    )


def of_subnet(row: SubnetRow, network: NetworkRow) -> SubnetRecord:
    """A subnet's."""
    return SubnetRecord(
        created_at=row.created_at,
        description=row.description,
        project_id="" if row.project_id == network.project_id else row.project_id,
        name=row.name,
        pools=[(pool["start"], pool["end"]) for pool in row.allocation_pools],
        ipv6_ra_mode=row.ipv6_ra_mode,
        ipv6_address_mode=row.ipv6_address_mode,
        service_types=row.service_types,
        dns_publish_fixed_ip=row.dns_publish_fixed_ip,
    )


def of_port(row: PortRow, project_id: str = "") -> PortRecord:
    """Of a server's port, or of a router's. `project_id`: whose that is with which the port is told."""
    return PortRecord(
        created_at=row.created_at,
        description=row.description,
        project_id="" if row.project_id == project_id else row.project_id,
        name=row.name,
        made=row.by_compute,
        tag=row.tag,
        dns_name=row.dns_name,
        dns_domain=row.dns_domain,
        named_at=0 if row.named_at == row.created_at else row.named_at,
        extra_dhcp_opts=_options(row.extra_dhcp_opts),
    )


def of_loose_port(row: PortRow, groups: Sequence[str]) -> PortRecord:
    """Of a port that no server has: its network's spec alone tells of it."""
    record = of_port(row)
    record.device_id, record.device_owner = row.device_id, row.device_owner
    record.admin_state_up, record.port_security = row.admin_state_up, row.port_security_enabled
    record.security_groups = list(groups)
    record.allowed_address_pairs = [(pair["ip_address"], pair["mac_address"]) for pair in row.allowed_address_pairs]
    return record


def _options(found: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, int]]:
    return [(option["opt_name"], option["opt_value"], option["ip_version"]) for option in found]


def of_group(row: SecurityGroupRow, owners: Owners) -> GroupRecord:
    """A security group's."""
    return GroupRecord(
        created_at=row.created_at,
        description=row.description,
        owner=_owner(owners, row.project_id),
        name=row.name,
        is_default=row.is_default,
        stateful=row.stateful,
    )


def of_router(row: RouterRow, owners: Owners) -> RouterRecord:
    """A router's."""
    owner = _owner(owners, row.project_id)
    return RouterRecord(created_at=row.created_at, description=row.description, owner=owner, name=row.name)


def of_floating(row: FloatingIpRow, outside: OutsideRow, owners: Owners) -> FloatingRecord:
    """A floating IP's that leads to a port."""
    return FloatingRecord(
        created_at=row.created_at,
        description=row.description,
        owner=_owner(owners, row.project_id),
        port_id=row.port_id or "",
        outside_port_id=row.floating_port_id,
        outside_mac=outside.mac_address,
        subnet_id=outside.subnet_id,
        dns_name=row.dns_name,
        dns_domain=row.dns_domain,
    )
