"""What nodes are told when rows are replaced by older ones on purpose: a simulated cloud goes back to a snapshot.

Nodes and their secrets stay as they are now, and so do the cloud's past and its revisions, which only rise. What nodes
have and the older rows do not is ended by tombstones; what differs is told anew. So nothing is ever guessed from an
absence, and a node that was away learns of it later.
"""

from __future__ import annotations

from msgspec import Struct
from sqlalchemy import bindparam, select, update

from cumulet.db import Prepared, Transaction
from cumulet.fleet.model import clouds
from cumulet.fleet.model.desired import next_revision
from cumulet.fleet.tables import desired, hosts

STAY = frozenset(
    "fleet_" + name for name in ("links", "join_tokens", "hosts", "revision", "jobs", "cloud", "epochs", "kept")
)
"""Tables whose rows are about nodes and about what was told them: they are never replaced."""

Key = tuple[str, str, str]
_ALL = Prepared(
    select(
        *(desired.c[name] for name in ("link_id", "kind", "ref")),
        *(desired.c[name] for name in ("host", "revision", "gone", "reported_revision", "state")),
    )
)
_AGAIN = Prepared(
    update(desired)
    .where(
        desired.c.link_id == bindparam("a_link"),
        desired.c.kind == bindparam("a_kind"),
        desired.c.ref == bindparam("a_ref"),
    )
    .values(revision=bindparam("number"), touched_at=bindparam("now"), state="wanted")
)


class Told(Struct, frozen=True):
    """What nodes were told, and what they said of it: host, revision, whether it is a tombstone, the revision that was
    reported, and the state; by link, kind and ref."""

    items: dict[Key, tuple[str, int, bool, int, str]]


def told(tx: Transaction) -> Told:
    """What nodes have been told until now. One query."""
    return Told({row[:3]: (row[3], int(row[4]), bool(row[5]), int(row[6]), row[7]) for row in tx.tuples(_ALL)})


def tell(tx: Transaction, before: Told) -> int:
    """After the rows were replaced: tell nodes what is other than `before`; how many things that are.

    One query, and one statement for each thing.
    """
    after = told(tx).items
    number = next_revision(tx)
    changed = [key for key, now in after.items() if before.items.get(key) != now]
    for link_id, kind, ref in changed:
        tx.execute_prepared(_AGAIN, {"a_link": link_id, "a_kind": kind, "a_ref": ref, "number": number, "now": tx.now})
    gone = {key: was for key, was in before.items.items() if key not in after}
    tx.insert(
        desired,
        [
            {"link_id": link_id, "kind": kind, "ref": ref, "host": host, "revision": number, "gone": True}
            | {"touched_at": tx.now}
            for (link_id, kind, ref), (host, *_) in gone.items()
        ],
    )
    clouds.wake_all(tx)
    return len(changed) + len(gone)


def switch_on(tx: Transaction) -> None:
    """Hosts that were disabled or forced down are as hosts that have just joined. One statement."""
    tx.update(hosts, hosts.c.id.is_not(None), disabled=False, disabled_reason=None, forced_down=False)


def names(tx: Transaction) -> list[str]:
    """All hosts. One query."""
    return [row.name for row in tx.rows(select(hosts.c.name).order_by(hosts.c.name))]
