"""Networks: segments, who sees them, and when they may go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, false, or_, select, true

from cumulet.auth import Caller
from cumulet.db import Transaction, select_as
from cumulet.db.in_list import in_list
from cumulet.engine import timeline
from cumulet.http.faults import Conflict
from cumulet.services.network import faults
from cumulet.services.network.draft import Draft
from cumulet.services.network.extension import Body
from cumulet.services.network.extensions import erase, finish, settle
from cumulet.services.network.model import addresses, propagation, tags
from cumulet.services.network.model.nouns import Noun, written
from cumulet.services.network.model.standard_attributes import change, changed, fresh
from cumulet.services.network.tables import NetworkRow, PortRow, SubnetRow, networks, ports, subnets
from cumulet.services.network.wire.networks import NETWORK


def visible(caller: Caller) -> ColumnElement[bool]:
    """Networks that the caller sees: their project's, shared and external ones."""
    if caller.is_admin:
        return true()
    return or_(networks.c.project_id == caller.project_id, networks.c.shared, networks.c.external)


def find(tx: Transaction, caller: Caller, id: str) -> NetworkRow:
    """A network that the caller sees. Raises 404."""
    row = tx.row(select_as(NetworkRow).where(networks.c.id == id, visible(caller)))
    if row is None:
        raise faults.not_found("network", id)
    return row


def create(
    tx: Transaction, caller: Caller, project_id: str, values: Mapping[str, Any], _parent: NetworkRow | None = None
) -> str:
    """A new network on a segment of its own; quota has been reserved."""
    draft: Draft[NetworkRow] = Draft(caller, project_id, values, {**fresh(tx, project_id), **written(NOUN, values)})
    settle(tx, "network", draft)
    tx.insert(networks, draft.columns)
    finish(tx, "network", draft)
    id = str(draft.columns["id"])
    timeline.record(tx, id, "created", "The network was created.")
    return id


def update(tx: Transaction, caller: Caller, row: NetworkRow, values: Mapping[str, Any]) -> None:
    """Change a network."""
    draft = Draft(caller, row.project_id, values, written(NOUN, values), row)
    settle(tx, "network", draft)
    if draft.columns.get("shared") is False and row.shared:
        _check_not_shared(tx, row)
    change(tx, networks, row.id, **draft.columns)
    finish(tx, "network", draft)
    timeline.record(tx, row.id, "updated", f"The network was changed: {changed(row, draft.columns)}.")
    if "mtu" in draft.columns or "admin_state_up" in draft.columns:
        propagation.network_changed(tx, row.id)


def _check_not_shared(tx: Transaction, row: NetworkRow) -> None:
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


def delete(tx: Transaction, _caller: Caller, row: NetworkRow) -> None:
    """Delete a network that has no ports but its DHCP server's, with its subnets."""
    where = and_(ports.c.network_id == row.id, ports.c.device_owner != propagation.DHCP)
    if tx.row(select(ports.c.id).where(where).limit(1)) is not None:
        raise faults.network_in_use(row.id)
    own = tx.rows(select(ports.c.id, ports.c.link_id).where(ports.c.network_id == row.id))
    doomed = [port.id for port in own]
    nets = tx.execute(select(subnets.c.id).where(subnets.c.network_id == row.id)).scalars().all()
    addresses.release(tx, doomed)
    erase(tx, "port", doomed)
    tx.delete(ports, ports.c.network_id == row.id)
    tx.delete(subnets, subnets.c.network_id == row.id)
    tags.forget(tx, [row.id, *nets])
    tx.delete(networks, networks.c.id == row.id)
    timeline.record(tx, row.id, timeline.DELETED, "The network was deleted, and its subnets.", {"name": row.name})
    for subnet_id in nets:
        timeline.record(tx, subnet_id, timeline.DELETED, "The subnet was deleted with its network.")
    for link_id in {port.link_id for port in own if port.link_id}:
        propagation.unplugged(tx, row.id, link_id)


def show(tx: Transaction, rows: Sequence[NetworkRow], found: list[Body]) -> None:
    """The subnets of networks. One query."""
    own: dict[str, list[str]] = {row.id: [] for row in rows}
    query = select(subnets.c.id, subnets.c.network_id).where(in_list(subnets.c.network_id, list(own)))
    for subnet in tx.rows(query.order_by(subnets.c.created_at, subnets.c.id)):
        own[subnet.network_id].append(subnet.id)
    for body in found:
        body["subnets"] = own[body["id"]]


def by_status(values: Sequence[str]) -> ColumnElement[bool]:
    """Every network is ACTIVE from its first moment."""
    return true() if "ACTIVE" in values else false()


def parents(tx: Transaction, rows: Sequence[SubnetRow | PortRow]) -> dict[str, dict[str, Any]]:
    """Owner and sharing of the networks that subnets or ports belong to: id of the subnet or port → those."""
    wanted = {row.network_id for row in rows}
    columns = (networks.c.id, networks.c.project_id, networks.c.shared, networks.c.external)
    found = {row.id: dict(row._mapping) for row in tx.rows(select(*columns).where(networks.c.id.in_(wanted)))}
    return {row.id: found[row.network_id] for row in rows}


def parent(row: NetworkRow) -> dict[str, Any]:
    """Owner and sharing of one network."""
    return {"id": row.id, "project_id": row.project_id, "shared": row.shared, "external": row.external}


def by_id(tx: Transaction, id: str) -> NetworkRow:
    """The network under this id, whoever asks. Raises 404."""
    row = tx.row(select_as(NetworkRow).where(networks.c.id == id))
    if row is None:
        raise faults.not_found("network", id)
    return row


def hidden(tx: Transaction, caller: Caller, id: str) -> bool:
    """Whether the network is not the caller's and not shared with them."""
    if caller.is_admin:
        return False
    where = and_(networks.c.id == id, or_(networks.c.project_id == caller.project_id, networks.c.shared))
    return tx.row(select(networks.c.id).where(where)) is None


NOUN = Noun(
    NETWORK,
    NetworkRow,
    visible,
    ("network", "networks"),
    show=show,
    own_filters={"status": by_status},
    own_constants={"status": "ACTIVE"},
    parent=parent,
)
