"""Networks: segments, who sees them, and when they may go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, false, or_, select, true

from cumulet.auth import Caller
from cumulet.db import Transaction
from cumulet.db.in_list import in_list
from cumulet.engine import timeline
from cumulet.http.faults import Conflict, NotFound
from cumulet.services.network import faults
from cumulet.services.network.model import addresses, propagation, tags
from cumulet.services.network.model.standard_attributes import change, changed, fresh, given, standard
from cumulet.services.network.tables import floatingips, networks, ports, routers, sequences, subnets

ZONE = "nova"
PHYSICAL_MTU = 1500
VXLAN_OVERHEAD = 50
MAX_VNI = 16_777_215
COLUMNS = {
    "router:external": "external",
    "provider:network_type": "kind",
    "provider:physical_network": "physical_network",
    "provider:segmentation_id": "segmentation_id",
}


def visible(caller: Caller) -> ColumnElement[bool]:
    """Networks that the caller sees: their project's, shared and external ones."""
    if caller.is_admin:
        return true()
    return or_(networks.c.project_id == caller.project_id, networks.c.shared, networks.c.external)


def find(tx: Transaction, caller: Caller, id: str) -> Row[Any]:
    """A network that the caller sees. Raises 404."""
    row = tx.row(select(networks).where(networks.c.id == id, visible(caller)))
    if row is None:
        raise faults.not_found("network", id)
    return row


def create(tx: Transaction, project_id: str, values: Mapping[str, Any]) -> str:
    """A new network on a segment of its own; quota has been reserved."""
    row = fresh(tx, project_id, values["description"])
    segment = _segment(tx, values)
    most = PHYSICAL_MTU - (VXLAN_OVERHEAD if segment["kind"] == "vxlan" else 0)
    plain = ("name", "admin_state_up", "shared", "port_security_enabled", "dns_domain", "availability_zone_hints")
    if values["is_default"]:
        _check_default(tx, None, values["router:external"])
    _check_zones(values["availability_zone_hints"])
    row.update({name: values[name] for name in plain}, **segment)
    row.update(external=values["router:external"], is_default=values["is_default"], mtu=_mtu(values["mtu"], most))
    tx.insert(networks, row)
    timeline.record(tx, str(row["id"]), "created", "The network was created.")
    return str(row["id"])


def _check_zones(zones: Sequence[str]) -> None:
    for zone in zones:
        if zone != ZONE:
            raise NotFound(f"AvailabilityZone {zone} could not be found.", code="AvailabilityZoneNotFound")


def _mtu(asked: int | None, most: int) -> int:
    if not asked:
        return most
    if asked > most:
        raise faults.invalid_input(f"Requested MTU is too big, maximum is {most}")
    if asked < 68:
        raise faults.invalid("mtu", f"'{asked}' is too small - must be at least '68'")
    return asked


def _segment(tx: Transaction, values: Mapping[str, Any]) -> dict[str, Any]:
    """Kind, physical network and segmentation id of a new network. Raises for combinations that do not exist."""
    kind = given(values, "provider:network_type")
    physical = given(values, "provider:physical_network")
    number = given(values, "provider:segmentation_id")
    if kind is None:
        if physical is not None or number is not None:
            raise faults.invalid_input("provider:network_type required")
        kind = "vxlan"
    if kind == "flat":
        return _flat(tx, physical, number)
    if kind in ("vlan", "gre", "geneve"):
        raise faults.invalid_input(f"network_type value '{kind}' not supported")
    if physical is not None:
        raise faults.invalid_input(f"provider:physical_network specified for {kind} network")
    if kind == "local":
        if number is not None:
            raise faults.invalid_input("provider:segmentation_id specified for local network")
        return {"kind": "local", "physical_network": None, "segmentation_id": None}
    return {"kind": "vxlan", "physical_network": None, "segmentation_id": _vni(tx, number)}


def _flat(tx: Transaction, physical: str | None, number: int | None) -> dict[str, Any]:
    if physical is None:
        raise faults.invalid_input("physical_network required for flat provider network")
    if number is not None:
        raise faults.invalid_input("segmentation_id prohibited for flat provider network")
    where = and_(networks.c.kind == "flat", networks.c.physical_network == physical)
    if tx.row(select(networks.c.id).where(where)) is not None:
        raise Conflict(
            f"Unable to create the flat network. Physical network {physical} is in use.", code="FlatNetworkInUse"
        )
    return {"kind": "flat", "physical_network": physical, "segmentation_id": None}


def _vni(tx: Transaction, asked: int | None) -> int:
    """A segmentation id nobody has. Ids are not given out again soon: a host may still be taking the old one down."""
    taken = select(networks.c.segmentation_id).where(networks.c.kind == "vxlan")
    if asked is not None:
        if not 1 <= asked <= MAX_VNI:
            raise faults.invalid_input(f"segmentation_id out of range (1 through {MAX_VNI})")
        if tx.row(taken.where(networks.c.segmentation_id == asked)) is not None:
            raise Conflict(f"Unable to create the network. The tunnel ID {asked} is in use.", code="TunnelIdInUse")
        return asked
    last = tx.scalar(select(sequences.c.value).where(sequences.c.name == "vni")) or 0
    number = last
    while True:
        number = number % MAX_VNI + 1
        if number == last:
            raise faults.no_network_available()
        if tx.row(taken.where(networks.c.segmentation_id == number)) is None:
            break
    tx.upsert(sequences, {"name": "vni"}, value=number)
    return int(number)


def _check_default(tx: Transaction, id: str | None, external: bool) -> None:
    if not external:
        return
    where = and_(networks.c.is_default, networks.c.external)
    other = tx.row(select(networks.c.id).where(where if id is None else and_(where, networks.c.id != id)))
    if other is not None:
        raise Conflict(f"A default external network already exists: {other.id}.", code="DefaultExternalNetworkExists")


def update(tx: Transaction, row: Row[Any], values: Mapping[str, Any]) -> None:
    """Change a network."""
    if any(name.startswith("provider:") for name in values):
        same = all(getattr(row, COLUMNS[n]) == v for n, v in values.items() if n.startswith("provider:"))
        if not same:
            raise faults.invalid_input("Plugin does not support updating provider attributes")
    columns = {COLUMNS.get(name, name): value for name, value in values.items()}
    if "mtu" in columns:
        columns["mtu"] = _mtu(columns["mtu"], PHYSICAL_MTU - (VXLAN_OVERHEAD if row.kind == "vxlan" else 0))
    if columns.get("is_default"):
        _check_default(tx, row.id, columns.get("external", row.external))
    if columns.get("external") is False and row.external:
        _check_not_external(tx, row.id)
    if columns.get("shared") is False and row.shared:
        _check_not_shared(tx, row)
    change(tx, networks, row.id, **columns)
    timeline.record(tx, row.id, "updated", f"The network was changed: {changed(row, columns)}.")
    if "mtu" in columns or "admin_state_up" in columns:
        propagation.network_changed(tx, row.id)


def _check_not_external(tx: Transaction, id: str) -> None:
    gateways = select(routers.c.id).where(routers.c.gateway_network_id == id).limit(1)
    floating = select(floatingips.c.id).where(floatingips.c.floating_network_id == id).limit(1)
    if tx.row(gateways) is not None or tx.row(floating) is not None:
        raise Conflict(
            f"External network {id} cannot be updated to be made non-external, since it has existing gateway ports.",
            code="ExternalNetworkInUse",
        )


def _check_not_shared(tx: Transaction, row: Row[Any]) -> None:
    others = and_(
        ports.c.network_id == row.id,
        ports.c.project_id.not_in([row.project_id, ""]),
        ports.c.device_owner.not_in(["network:dhcp"]),
    )
    if tx.row(select(ports.c.id).where(others).limit(1)) is not None:
        raise Conflict(
            f"Unable to reconfigure sharing settings for network {row.id}. Multiple tenants are using it.",
            code="InvalidSharedSetting",
        )


def delete(tx: Transaction, row: Row[Any]) -> None:
    """Delete a network that has no ports but its DHCP server's, with its subnets."""
    where = and_(ports.c.network_id == row.id, ports.c.device_owner != propagation.DHCP)
    if tx.row(select(ports.c.id).where(where).limit(1)) is not None:
        raise faults.network_in_use(row.id)
    own = tx.rows(select(ports.c.id, ports.c.link_id).where(ports.c.network_id == row.id))
    doomed = [port.id for port in own]
    nets = tx.execute(select(subnets.c.id).where(subnets.c.network_id == row.id)).scalars().all()
    addresses.release(tx, doomed)
    tx.delete(ports, ports.c.network_id == row.id)
    tx.delete(subnets, subnets.c.network_id == row.id)
    tags.forget(tx, [row.id, *doomed, *nets])
    tx.delete(networks, networks.c.id == row.id)
    timeline.record(tx, row.id, timeline.DELETED, "The network was deleted, and its subnets.", {"name": row.name})
    for subnet_id in nets:
        timeline.record(tx, subnet_id, timeline.DELETED, "The subnet was deleted with its network.")
    for link_id in {port.link_id for port in own if port.link_id}:
        propagation.unplugged(tx, row.id, link_id)


def bodies(tx: Transaction, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    """Networks as clients see them. Two queries."""
    ids = [row.id for row in rows]
    tagged = tags.of(tx, ids)
    own: dict[str, list[str]] = {id: [] for id in ids}
    query = select(subnets.c.id, subnets.c.network_id).where(in_list(subnets.c.network_id, ids))
    for subnet in tx.rows(query.order_by(subnets.c.created_at, subnets.c.id)):
        own[subnet.network_id].append(subnet.id)
    return [
        {
            **standard(row, tagged),
            "name": row.name,
            "admin_state_up": row.admin_state_up,
            "status": "ACTIVE",
            "subnets": own[row.id],
            "shared": row.shared,
            "router:external": row.external,
            "is_default": row.is_default,
            "mtu": row.mtu,
            "port_security_enabled": row.port_security_enabled,
            "dns_domain": row.dns_domain,
            "availability_zone_hints": row.availability_zone_hints,
            "availability_zones": [ZONE] if own[row.id] else [],
            "ipv4_address_scope": None,
            "ipv6_address_scope": None,
            "provider:network_type": row.kind,
            "provider:physical_network": row.physical_network,
            "provider:segmentation_id": row.segmentation_id,
        }
        for row in rows
    ]


def by_status(values: Sequence[str]) -> ColumnElement[bool]:
    """Every network is ACTIVE from its first moment."""
    return true() if "ACTIVE" in values else false()


def parents(tx: Transaction, rows: Sequence[Row[Any]]) -> dict[str, dict[str, Any]]:
    """Owner and sharing of the networks that subnets or ports belong to: id of the subnet or port → those."""
    wanted = {row.network_id for row in rows}
    columns = (networks.c.id, networks.c.project_id, networks.c.shared, networks.c.external)
    found = {row.id: dict(row._mapping) for row in tx.rows(select(*columns).where(networks.c.id.in_(wanted)))}
    return {row.id: found[row.network_id] for row in rows}


def parent(row: Row[Any]) -> dict[str, Any]:
    """Owner and sharing of one network."""
    return {"id": row.id, "project_id": row.project_id, "shared": row.shared, "external": row.external}


def by_id(tx: Transaction, id: str) -> Row[Any]:
    """The network under this id, whoever asks. Raises 404."""
    row = tx.row(select(networks).where(networks.c.id == id))
    if row is None:
        raise faults.not_found("network", id)
    return row


def hidden(tx: Transaction, caller: Caller, id: str) -> bool:
    """Whether the network is not the caller's and not shared with them."""
    if caller.is_admin:
        return False
    where = and_(networks.c.id == id, or_(networks.c.project_id == caller.project_id, networks.c.shared))
    return tx.row(select(networks.c.id).where(where)) is None
