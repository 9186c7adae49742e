"""Hosts that are gone: their node does not name them any more, or an operator takes them off the list.

A host is never removed because it is silent. A node speaks of its own hosts only: what it leaves out of its list says
nothing of another node's.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import and_, func, select, update

from cumulet.db import Transaction
from cumulet.db.in_list import in_list
from cumulet.db.times import SECOND
from cumulet.fleet.model.hosts import DOWN_AFTER_S, Host
from cumulet.fleet.tables import desired, hosts, jobs, kept, links


def others_left(tx: Transaction, link_id: str, names: Sequence[str]) -> list[str]:
    """All hosts of the link are `names`: the others have left it. Their names, also of those that had left before.
    One query, and a statement when there are any."""
    own = select(hosts.c.name, hosts.c.left_at).where(hosts.c.link_id == link_id)
    there = set(names)
    gone = [row for row in tx.rows(own) if row.name not in there]
    fresh = [row.name for row in gone if row.left_at is None]
    if fresh:
        change = update(hosts).where(and_(hosts.c.link_id == link_id, in_list(hosts.c.name, fresh)))
        tx.execute(change.values(left_at=tx.now, updated_at=tx.now))
    return [row.name for row in gone]


def alive(tx: Transaction, host: Host) -> bool:
    """Whether the host's node is heard and names it: then it would be there again at once."""
    return host.left_at is None and host.last_seen > tx.now - DOWN_AFTER_S * SECOND


def remove(tx: Transaction, gone: Sequence[Host]) -> list[str]:
    """Forget hosts of one link, with what was wanted and kept on them. When a silent node has none left it is
    forgotten, too: then the id of its link is in the answer. Whether servers are on them is the caller's to know. Five
    statements, or nine."""
    link_id, last_seen = gone[0].link_id, gone[0].last_seen
    names = [host.name for host in gone]
    for table in (desired, kept, jobs):
        tx.delete(table, and_(table.c.link_id == link_id, in_list(table.c.host, names)))
    tx.delete(hosts, in_list(hosts.c.id, [host.id for host in gone]))
    left = tx.scalar(select(func.count()).select_from(hosts).where(hosts.c.link_id == link_id))
    if left or last_seen > tx.now - DOWN_AFTER_S * SECOND:
        return []
    for table in (desired, kept, jobs):
        tx.delete(table, table.c.link_id == link_id)
    tx.delete(links, links.c.id == link_id)
    return [link_id]


def drop(tx: Transaction, host: Host, what: str) -> None:
    """Do not show this part of a host that is gone, until it returns."""
    tx.update(hosts, hosts.c.id == host.id, dropped=sorted({*host.dropped, what}))
