"""The segment of a network: its kind, its physical network and its number. Administrators choose and see them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import and_, select

from cumulet.db import Transaction
from cumulet.http.faults import Conflict
from cumulet.services.network import faults
from cumulet.services.network.check_strings import ADMIN, rules
from cumulet.services.network.draft import Draft
from cumulet.services.network.extension import Extension
from cumulet.services.network.tables import networks, sequences
from cumulet.services.network.wire.attributes import Attribute, integer, one_of, optional, text

MAX_VNI = 16_777_215
_COLUMNS = {
    "provider:network_type": "kind",
    "provider:physical_network": "physical_network",
    "provider:segmentation_id": "segmentation_id",
}


def settle(tx: Transaction, draft: Draft[Any]) -> None:
    """A new network has a segment of its own, and keeps it. Raises 400 and 409."""
    if draft.row is None:
        draft.columns.update(_segment(tx, draft))
    elif any(column in draft.columns and draft.columns[column] != getattr(draft.row, column) for column in _SEGMENT):
        raise faults.invalid_input("Plugin does not support updating provider attributes")


_SEGMENT = tuple(_COLUMNS.values())


def _segment(tx: Transaction, draft: Draft[Any]) -> dict[str, Any]:
    """Kind, physical network and segmentation id of a new network. Raises for combinations that do not exist."""
    kind = draft.given("provider:network_type")
    physical = draft.given("provider:physical_network")
    number = draft.given("provider:segmentation_id")
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


_KINDS = one_of("flat", "vxlan", "local", "vlan", "gre", "geneve")

EXTENSION = Extension(
    "provider",
    "Provider Network",
    "Expose mapping of virtual networks to physical networks",
    tables=(sequences,),
    adds={
        "network": {
            "provider:network_type": Attribute(_KINDS, guarded=True, hidden=True),
            "provider:physical_network": Attribute(optional(text(64)), guarded=True, hidden=True),
            "provider:segmentation_id": Attribute(optional(integer()), guarded=True, hidden=True),
        }
    },
    columns={"network": _COLUMNS},
    rules=rules(" ".join(f"{verb}_network:{name}" for verb in ("create", "get", "update") for name in _COLUMNS), ADMIN),
    settles={"network": settle},
)
