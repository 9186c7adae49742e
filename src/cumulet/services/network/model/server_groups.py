"""Security groups of a server: Nova's way to put all its ports into a group, or take them out."""

from __future__ import annotations

from sqlalchemy import and_, select

from cumulet.auth import Caller
from cumulet.http.faults import BadRequest, NotFound
from cumulet.services.network.model import ports, security_groups, servers
from cumulet.services.network.tables import security_groups as groups
from cumulet.store import Transaction


def add(tx: Transaction, caller: Caller, server_id: str, name: str) -> None:
    """Put the ports that filter into the group (name or id). Raises 400 and 404 as Nova does."""
    group_id = _group(tx, caller, name)
    rows = [row for row in servers.rows_of(tx, [server_id]) if row.port_security_enabled]
    if not rows:
        raise BadRequest(f"Cannot add security group {name} to instance {server_id}: it has no port with addresses.")
    now = ports.groups_of(tx, [row.id for row in rows])
    for row in rows:
        if group_id not in now[row.id]:
            ports.update(tx, caller, row, {"security_groups": [*now[row.id], group_id]})


def remove(tx: Transaction, caller: Caller, server_id: str, name: str) -> None:
    """Take the server's ports out of the group. Raises 404 when none of them is in it."""
    group_id = _group(tx, caller, name)
    rows = servers.rows_of(tx, [server_id])
    now = ports.groups_of(tx, [row.id for row in rows])
    inside = [row for row in rows if group_id in now[row.id]]
    if not inside:
        raise NotFound(f"Security group {name} not associated with the instance {server_id}")
    for row in inside:
        ports.update(tx, caller, row, {"security_groups": [each for each in now[row.id] if each != group_id]})


def _group(tx: Transaction, caller: Caller, name: str) -> str:
    try:
        return security_groups.by_names(tx, caller.project_id or "", [name])[0]
    except BadRequest:
        if tx.row(select(groups.c.id).where(and_(groups.c.id == name, security_groups.visible(caller)))):
            return name
        raise NotFound(f"Security group {name} not found.") from None
