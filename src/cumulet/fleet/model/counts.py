"""How many hosts and items there are, for measuring: never which."""

from __future__ import annotations

from sqlalchemy import func, select

from cumulet.db import Transaction
from cumulet.db.times import SECOND
from cumulet.fleet.model.hosts import DOWN_AFTER_S
from cumulet.fleet.tables import desired, hosts, links

HOST_STATES = ("up", "down", "held", "disabled")


def host_counts(tx: Transaction) -> dict[str, int]:
    """Hosts by what they are: each is counted once, as the first that is true of held, down, disabled, up."""
    dead = hosts.c.facts["silent"].as_boolean().label("dead")
    columns = (hosts.c.disabled, hosts.c.forced_down, hosts.c.left_at, dead, links.c.last_seen, links.c.hold)
    found = dict.fromkeys(HOST_STATES, 0)
    for row in tx.rows(select(*columns).join(links, links.c.id == hosts.c.link_id)):
        silent = tx.now - row.last_seen >= DOWN_AFTER_S * SECOND
        down = silent or row.forced_down or row.left_at is not None or row.dead
        state = "held" if row.hold else "down" if down else "disabled" if row.disabled else "up"
        found[state] += 1
    return found


def item_counts(tx: Transaction) -> dict[tuple[str, str], int]:
    """What hosts shall have, by kind and state."""
    query = select(desired.c.kind, desired.c.state, func.count().label("number")).group_by(
        desired.c.kind, desired.c.state
    )
    return {(row.kind, row.state): row.number for row in tx.rows(query)}
