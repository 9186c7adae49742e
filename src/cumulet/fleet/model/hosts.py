"""Links and hosts: who joined, who is alive."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import func, select

from cumulet.desired.shapes import HostFacts
from cumulet.fleet.tables import hosts, links
from cumulet.store import Prepared, Transaction
from cumulet.store.among import among_bound
from cumulet.store.times import SECOND

DOWN_AFTER_S = 60
"""A link that was silent for this long is down, as Nova's ``service_down_time`` has it."""


@dataclass(frozen=True)
class Host:
    """A hypervisor. `number` is a small id for APIs that have integer ids; times are in microseconds."""

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


def _query() -> Any:
    columns = [column for column in hosts.c if column.name != "facts"]
    return select(*columns, hosts.c.facts, links.c.last_seen).join(links, links.c.id == hosts.c.link_id)


_BY_NAMES = Prepared(_query().where(among_bound(hosts.c.name, "names")))
_BY_IDS = Prepared(_query().where(among_bound(hosts.c.id, "ids")))
_EVERY = Prepared(_query().order_by(hosts.c.number))


def _host(row: Any, now: int) -> Host:
    alive = row.last_seen > now - DOWN_AFTER_S * SECOND
    return Host(
        id=row.id,
        number=row.number,
        name=row.name,
        link_id=row.link_id,
        facts=msgspec.convert(row.facts, HostFacts),
        up=alive and not row.forced_down,
        disabled=row.disabled,
        disabled_reason=row.disabled_reason,
        forced_down=row.forced_down,
        last_seen=row.last_seen,
        joined_at=row.joined_at,
        updated_at=row.updated_at,
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


def link_allowed(tx: Transaction, link_id: str, secret: str) -> bool:
    """Whether `secret` is the link's."""
    rows = tx.where(links, id=link_id)
    return hmac.compare_digest(rows[0].secret_hash if rows else "-", digest(secret))


def join(tx: Transaction, name: str, facts: Sequence[HostFacts]) -> tuple[str, str]:
    """A node of `name` joins (again): link id and a fresh secret. What it was told before stays told.

    Raises ValueError when one of its host names belongs to another node.
    """
    secret = secrets.token_urlsafe(32)
    known = tx.scalar(select(links.c.id).where(links.c.name == name))
    link_id = known or str(uuid.uuid4())
    values = {"secret_hash": digest(secret), "joined_at": tx.now, "last_seen": tx.now}
    if known:
        tx.update(links, links.c.id == link_id, **values)
    else:
        tx.insert(links, {"id": link_id, "name": name, **values})
    keep_facts(tx, link_id, facts)
    return link_id, secret


def keep_facts(tx: Transaction, link_id: str, facts: Sequence[HostFacts]) -> list[str]:
    """Store what hosts say of themselves; names of those that are new or changed."""
    if not facts:
        return []
    names = [fact.hostname for fact in facts]
    known = {row.name: row for row in tx.rows(select(hosts).where(hosts.c.name.in_(names)))}
    number = int(tx.scalar(select(func.max(hosts.c.number))) or 0)
    fresh: list[dict[str, Any]] = []
    changed: list[str] = []
    for fact in facts:
        data = msgspec.to_builtins(fact)
        row = known.get(fact.hostname)
        if row is None:
            number += 1
            fresh.append(
                {"id": str(uuid.uuid4()), "number": number, "name": fact.hostname, "link_id": link_id}
                | {"facts": data, "disabled": False, "forced_down": False, "joined_at": tx.now, "updated_at": tx.now}
            )
        elif row.link_id != link_id:
            raise ValueError(f"a host named {fact.hostname} belongs to another node")
        elif row.facts != data:
            changed.append(fact.hostname)
            tx.update(hosts, hosts.c.id == row.id, facts=data, updated_at=tx.now)
    tx.insert(hosts, fresh)
    return [str(row["name"]) for row in fresh] + changed


def seen(tx: Transaction, link_id: str) -> None:
    """The link is alive."""
    tx.update(links, links.c.id == link_id, last_seen=tx.now)


def switch(tx: Transaction, host_id: str, **values: Any) -> None:
    """Set `disabled`, `disabled_reason` or `forced_down` of a host."""
    tx.update(hosts, hosts.c.id == host_id, updated_at=tx.now, **values)
