"""Links and hosts: who joined, who is alive."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import uuid
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import bindparam, func, not_, select, union_all

from cumulet.db import Prepared, Transaction, TypedSelect, select_as
from cumulet.db.in_list import in_bound_list, in_list
from cumulet.db.times import SECOND
from cumulet.desired.clouds import Seen
from cumulet.desired.hosts import HostFacts
from cumulet.fleet.model import told
from cumulet.fleet.tables import HostRow, desired, hosts, join_tokens, links

DOWN_AFTER_S = 60
"""A link that was silent for this long is down, as Nova's ``service_down_time`` has it."""

MOST_HOSTS = 20_000
"""Of one node: a real one has one, simulated ones have many."""


class Host(Struct, frozen=True):
    """A hypervisor. `number` is a small id for APIs that have integer ids; times are in microseconds. `hold`: why its
    node takes nothing from this controller, `left_at`: since when its node does not name it any more; such a host is
    not up. `dropped`: parts of it that nobody wants to see."""

    id: str
    number: int
    name: str
    link_id: str
    facts: HostFacts
    up: bool
    disabled: bool
    disabled_reason: str | None
    forced_down: bool
    last_seen: int
    joined_at: int
    updated_at: int
    hold: str | None = None
    left_at: int | None = None
    dropped: tuple[str, ...] = ()


class Held(Struct, frozen=True):
    """A node that holds: the newest that it has seen, in its own words, and why it holds."""

    link_id: str
    name: str
    hold: str
    cloud_id: str
    epoch: int
    revision: int


class _LinkedRow(HostRow):
    """A host with what is known of its node."""

    last_seen: int
    hold: str | None


def _query() -> TypedSelect[_LinkedRow]:
    columns = [column for column in hosts.c if column.name != "facts"]
    wanted = select_as(_LinkedRow, *columns, hosts.c.facts, links.c.last_seen, links.c.hold)
    return wanted.join(links, links.c.id == hosts.c.link_id)


_BY_NAMES = Prepared(_query().where(in_bound_list(hosts.c.name, "names")))
_BY_IDS = Prepared(_query().where(in_bound_list(hosts.c.id, "ids")))
_SECRET = Prepared(select(links.c.secret_hash).where(links.c.id == bindparam("id")))
_COUNT = Prepared(select(func.count()).select_from(hosts).where(hosts.c.link_id == bindparam("id")))
_EVERY = Prepared(_query().order_by(hosts.c.number))


def _host(row: _LinkedRow, now: int) -> Host:
    facts = msgspec.convert(row.facts, HostFacts)
    alive = row.last_seen > now - DOWN_AFTER_S * SECOND
    return Host(
        id=row.id,
        number=row.number,
        name=row.name,
        link_id=row.link_id,
        facts=facts,
        up=alive and not row.forced_down and row.hold is None and row.left_at is None and not facts.silent,
        disabled=row.disabled,
        disabled_reason=row.disabled_reason,
        forced_down=row.forced_down,
        last_seen=row.last_seen,
        joined_at=row.joined_at,
        updated_at=row.updated_at,
        hold=row.hold,
        left_at=row.left_at,
        dropped=tuple(row.dropped or ()),
    )


def every(tx: Transaction) -> list[Host]:
    """All hosts, in the order in which they joined."""
    return [_host(row, tx.now) for row in tx.rows(_EVERY)]


def by_names(tx: Transaction, names: Sequence[str]) -> dict[str, Host]:
    """Hosts of these names."""
    return {row.name: _host(row, tx.now) for row in tx.rows(_BY_NAMES, {"names": names})}


def by_ids(tx: Transaction, ids: Sequence[str]) -> dict[str, Host]:
    """Hosts of these ids."""
    return {row.id: _host(row, tx.now) for row in tx.rows(_BY_IDS, {"ids": ids})}


def with_role(tx: Transaction, role: str) -> Host | None:
    """The first host that joined with `role` (the fleet is small enough to look at: roles are in the facts)."""
    link_first = _query().order_by(hosts.c.number).limit(1)
    row = tx.row(link_first)
    if row is not None and role in row.facts.get("roles", ["compute", "network"]):
        return _host(row, tx.now)
    return next((host for host in every(tx) if role in host.facts.roles), None)


def digest(secret: str) -> str:
    """SHA-256 of a secret of 256 random bits, which needs no slower hash."""
    return hashlib.sha256(secret.encode()).hexdigest()


def is_one_of(secret: str, *hashes: str | None) -> bool:
    """Whether `secret` has one of the hashes."""
    shown = digest(secret)
    return any(hmac.compare_digest(each, shown) for each in hashes if each is not None)


def link_allowed(tx: Transaction, link_id: str, secret: str) -> bool:
    """Whether `secret` is the link's."""
    return is_one_of(secret, tx.scalar(_SECRET, {"id": link_id}))


def join(tx: Transaction, name: str, facts: Sequence[HostFacts]) -> tuple[str, str]:
    """A node of `name` is one of the cloud's, without being asked for anything: link id and a fresh secret.

    What it was told before stays told. Whether it may is `joining`'s affair. Raises as `keep_facts`.
    """
    secret = secrets.token_urlsafe(32)
    known = tx.scalar(select(links.c.id).where(links.c.name == name))
    link_id = str(known or uuid.uuid4())
    values = {"secret_hash": digest(secret), "previous_hash": None, "joined_at": tx.now, "last_seen": tx.now}
    tx.upsert(links, {"id": link_id}, name=name, **values)
    keep_facts(tx, link_id, facts)
    return link_id, secret


class RefusedError(ValueError):
    """A node may not have what it asks for; a sentence."""


def keep_facts(tx: Transaction, link_id: str, facts: Sequence[HostFacts]) -> list[str]:
    """Store what hosts say of themselves; names of those that are new or changed.

    A link has only hosts that are its own, or that are new and nobody else's name. Raises RefusedError for others, and
    `told.FactsError` for what cannot be.
    """
    if not facts:
        return []
    harmless = {fact.hostname: told.host(fact) for fact in facts}
    if len(harmless) < len(facts):
        raise told.FactsError("a host is named twice")
    known = {row.name: row for row in tx.rows(select_as(HostRow).where(in_list(hosts.c.name, harmless)))}
    taken = [name for name, row in known.items() if row.link_id != link_id]
    new = [name for name in harmless if name not in known]
    if new:
        taken += _others_names(tx, link_id, new)
        if int(tx.scalar(_COUNT, {"id": link_id})) + len(new) > MOST_HOSTS:
            raise RefusedError(f"a node has {MOST_HOSTS} hosts at most")
    if taken:
        raise RefusedError(f"a host named {taken[0]} belongs to another node")
    number = int(tx.scalar(select(func.max(hosts.c.number))) or 0) if new else 0
    fresh: list[dict[str, Any]] = []
    changed: list[str] = []
    for name, fact in harmless.items():
        data = msgspec.to_builtins(fact)
        row = known.get(name)
        if row is None:
            number += 1
            fresh.append(
                {"id": str(uuid.uuid4()), "number": number, "name": name, "link_id": link_id}
                | {"facts": data, "disabled": False, "forced_down": False, "joined_at": tx.now, "updated_at": tx.now}
            )
        elif row.facts != data or row.left_at is not None or row.dropped:
            changed.append(name)
            tx.update(hosts, hosts.c.id == row.id, facts=data, updated_at=tx.now, left_at=None, dropped=None)
    tx.insert(hosts, fresh)
    return new + changed


def _others_names(tx: Transaction, link_id: str, names: Sequence[str]) -> list[str]:
    """Which of `names` are those of other nodes, or of nodes that are about to join. One query."""
    own = select(links.c.name).where(links.c.id == link_id).scalar_subquery()
    nodes = select(links.c.name).where(links.c.id != link_id, in_list(links.c.name, names))
    coming = select(join_tokens.c.name).where(
        join_tokens.c.expires_at > tx.now, in_list(join_tokens.c.name, names), join_tokens.c.name != own
    )
    return [row[0] for row in tx.rows(union_all(nodes, coming))]


def seen(tx: Transaction, link_id: str, newest: Seen | None = None, hold: str | None = None) -> None:
    """The link is alive, and has the secret that it was given last. `newest`: what it has seen of clouds; `hold`: why
    it takes nothing from this controller."""
    values = {} if newest is None else {name: getattr(newest, name) for name in ("cloud_id", "epoch", "revision")}
    tx.update_by_key(links, {"id": link_id}, last_seen=tx.now, previous_hash=None, hold=hold, **values)


def held(tx: Transaction) -> list[Held]:
    """Nodes that keep what they have and take nothing from this controller, by name. One query."""
    columns = [links.c[name] for name in ("id", "name", "hold", "cloud_id", "epoch", "revision")]
    found = tx.rows(select(*columns).where(links.c.hold.is_not(None)).order_by(links.c.name))
    return [Held(row.id, row.name, row.hold, row.cloud_id or "", row.epoch, row.revision) for row in found]


def belonging(tx: Transaction, cloud_id: str) -> bool:
    """Whether a node takes the word of this controller, and says that it belongs to this cloud. One query."""
    query = select(links.c.id).where(links.c.cloud_id == cloud_id, links.c.hold.is_(None)).limit(1)
    return tx.row(query) is not None


def link_names(tx: Transaction) -> dict[str, str]:
    """Names of nodes by their links."""
    return {row.id: row.name for row in tx.rows(select(links.c.id, links.c.name))}


def newest_time(tx: Transaction) -> int:
    """The latest moment at which a node was heard, or told something, in µs; 0 when there is none."""
    heard = tx.scalar(select(func.max(links.c.last_seen)))
    told_last = tx.scalar(select(func.max(desired.c.touched_at)))
    return max(int(heard or 0), int(told_last or 0))


def clock_was_set(tx: Transaction, by_us: int, since_us: int) -> None:
    """Nodes have been silent for as long as they had been before the clock was set by `by_us`. Who was heard after the
    last look, `since_us` ago, may have been so by the new time already."""
    already = links.c.last_seen.between(tx.now - since_us, tx.now)
    tx.update(links, not_(already), last_seen=links.c.last_seen + by_us)


def switch(tx: Transaction, host_id: str, **values: Any) -> None:
    """Set `disabled`, `disabled_reason` or `forced_down` of a host."""
    tx.update(hosts, hosts.c.id == host_id, updated_at=tx.now, **values)
