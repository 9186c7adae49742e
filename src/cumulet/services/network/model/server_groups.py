"""Security groups of all ports of a server at once, the way compute's old actions ask for it. Raises Nova's faults."""

from __future__ import annotations

from cumulet.auth import Caller
from cumulet.db import Transaction
from cumulet.http.faults import BadRequest, NotFound
from cumulet.services.network.model import port_groups, ports, servers


def change(tx: Transaction, caller: Caller, server_id: str, name: str, *, add: bool) -> None:
    """Put the server's ports into the group of this name or id, or take them out. Ports that already are as
    wanted stay untouched. Raises 404 and 409."""
    rows = servers.rows_of(tx, [server_id])
    project_id = rows[0].project_id if rows else caller.project_id or ""
    try:
        (group,) = port_groups.by_names(tx, project_id, [name])
    except BadRequest:
        raise NotFound(f"Security group {name} not found.") from None
    held = port_groups.of_ports(tx, [row.id for row in rows])
    if not add and not any(group in held.get(row.id, ()) for row in rows):
        raise NotFound(f"Security group {name} not associated with the instance {server_id}")
    for row in rows:
        have = held.get(row.id, [])
        wanted = [*have, group] if add else [id for id in have if id != group]
        if (group in have) != add and row.port_security_enabled:
            ports.update(tx, caller, row, {"security_groups": wanted})
