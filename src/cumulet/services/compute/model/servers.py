"""Servers: finding them, and the small changes that need no flow. Another project's server does not exist."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cumulet.db import Prepared, Transaction, select_as
from cumulet.db.in_list import in_bound_list
from cumulet.desired import simulation
from cumulet.fleet import door as fleet
from cumulet.http.faults import BadRequest, Conflict, NotAllowed, NotFound
from cumulet.services.compute import states
from cumulet.services.compute.tables import ServerRow, ServerTagRow, server_tags, servers
from cumulet.services.compute.verb import ServerVerb
from cumulet.services.compute.verbs import VERBS

Server = ServerRow
"""A row of the table of servers."""

_BY_IDS = Prepared(select_as(ServerRow).where(in_bound_list(servers.c.id, "ids"), servers.c.deleted_at.is_(None)))


def not_found(server_id: str) -> NotFound:
    """Nova's words for a server that is not there, or not the caller's."""
    return NotFound(f"Instance {server_id} could not be found.")


def by_id(tx: Transaction, server_id: str) -> Server | None:
    """A server that is not deleted, whoever's it is."""
    return tx.row(_BY_IDS, {"ids": [server_id]})


def by_ids(tx: Transaction, server_ids: Sequence[str]) -> Sequence[Server]:
    """Servers that are not deleted. One query."""
    return tx.rows(_BY_IDS, {"ids": server_ids})


def get(tx: Transaction, server_id: str, project_id: str, sees_all: bool) -> Server:
    """A server that the caller can see. Raises 404."""
    row = by_id(tx, server_id)
    if row is None or (row.project_id != project_id and not sees_all):
        raise not_found(server_id)
    return row


def get_even_deleted(tx: Transaction, server_id: str, project_id: str, sees_all: bool) -> Server:
    """As `get`, also for one that is deleted."""
    row = tx.row(select_as(ServerRow).where(servers.c.id == server_id))
    if row is None or (row.project_id != project_id and not sees_all):
        raise not_found(server_id)
    return row


def change(tx: Transaction, server_id: str, **values: Any) -> None:
    """Set columns of a server. Those of its state come from a verb alone (`VERBS`)."""
    tx.update_by_key(servers, {"id": server_id}, updated_at=tx.now, **values)


def require(row: Server, verb: ServerVerb) -> None:
    """Raise 409 unless `verb` may begin in the server's state."""
    if hindrance := VERBS.hindrance(verb, row):
        column, state = hindrance
        raise Conflict(f"Cannot '{verb.action}' instance {row.id} while it is in {column} {state}")


def require_unlocked(row: Server, may_override: bool) -> None:
    """Raise 409 when the server is locked and the caller may not pass."""
    if row.locked_by and not may_override:
        raise Conflict(f"Instance {row.id} is locked")


def fault(tx: Transaction, code: int, message: str, details: str = "") -> dict[str, Any]:
    """What the column `fault` holds. `details` is for operators."""
    return {"code": code, "message": message, "details": details, "created": tx.now}


# ---- metadata ----------------------------------------------------------------------------------------------


def set_metadata(tx: Transaction, row: Server, meta: Mapping[str, str], limit: int, *, simulated: bool) -> None:
    """Replace the metadata. `simulated`: what is for the host is checked, and the host told. Raises 403 beyond `limit`
    items (-1: none)."""
    if 0 <= limit < len(meta):
        raise NotAllowed(f"Maximum number of metadata items exceeds {limit}")
    change(tx, row.id, meta=dict(meta))
    if simulated:
        before = {name: text for name, text in row.meta.items() if name.startswith(simulation.METADATA)}
        changed = before != {f"{simulation.METADATA}{name}": text for name, text in orders(meta).items()}
        if changed and row.link_id is not None and row.host is not None and row.task_state != states.DELETING:
            fleet.publish(tx, link_id=row.link_id, kind="guest", ref=row.id, host=row.host)


def orders(meta: Mapping[str, str]) -> dict[str, str]:
    """What metadata asks of a simulated host. Raises 400 for what no such host does."""
    try:
        return simulation.of_metadata(meta)
    except simulation.SimulationError as error:
        raise BadRequest(f"Metadata for the simulated host: {error}.") from None


# ---- tags --------------------------------------------------------------------------------------------------

MAX_TAGS = 50


def tags(tx: Transaction, server_ids: Sequence[str]) -> dict[str, list[str]]:
    """Tags by server. One query."""
    found: dict[str, list[str]] = {}
    query = select_as(ServerTagRow).where(server_tags.c.server_id.in_(server_ids)).order_by(server_tags.c.tag)
    for row in tx.rows(query):
        found.setdefault(row.server_id, []).append(row.tag)
    return found


def set_tags(tx: Transaction, server_id: str, wanted: Sequence[str]) -> list[str]:
    """Replace a server's tags. Raises 400 beyond `MAX_TAGS`."""
    unique = sorted(set(wanted))
    if len(unique) > MAX_TAGS:
        raise BadRequest(f"The number of tags exceeded the per-server limit {MAX_TAGS}")
    tx.delete(server_tags, server_tags.c.server_id == server_id)
    tx.insert(server_tags, [{"server_id": server_id, "tag": tag} for tag in unique])
    change(tx, server_id)
    return unique
