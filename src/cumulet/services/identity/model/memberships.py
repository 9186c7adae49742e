"""Who is in which group now: for good, and for a while because an identity provider said so.

Conditions for queries of others. A membership that ends by time alone ends for new tokens at once, and for a token
that was described before with that token, an hour later at most.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, CompoundSelect, select, union

from cumulet.db import Transaction, now_us
from cumulet.services.identity.tables import expiring_memberships, memberships


def groups_of(user_id: str) -> CompoundSelect[Any]:
    """Ids of the groups that the user is in."""
    return _either("group_id", lambda table: table.c.user_id == user_id)


def users_in(group_id: str) -> CompoundSelect[Any]:
    """Ids of the users who are in the group."""
    return _either("user_id", lambda table: table.c.group_id == group_id)


def _either(column: str, where: Any) -> CompoundSelect[Any]:
    lasting = select(memberships.c[column]).where(where(memberships))
    passing = select(expiring_memberships.c[column]).where(where(expiring_memberships), _counts())
    return union(lasting, passing)


def _counts() -> ColumnElement[bool]:
    return expiring_memberships.c.expires_at > now_us()


def members(tx: Transaction, group_ids: Iterable[str], user_id: str | None = None) -> dict[str, list[str]]:
    """Group id → ids of its users, of one user only when given. One query."""
    ids = list(group_ids)
    parts = []
    for table in (memberships, expiring_memberships):
        part = select(table.c.group_id, table.c.user_id).where(table.c.group_id.in_(ids))
        part = part if user_id is None else part.where(table.c.user_id == user_id)
        parts.append(part.where(_counts()) if table is expiring_memberships else part)
    found: dict[str, list[str]] = {}
    for row in tx.rows(union(*parts)):
        found.setdefault(row.group_id, []).append(row.user_id)
    return found


def ends(tx: Transaction, user_id: str) -> dict[str, int]:
    """Group id → when the user's membership ends, of those that do. One query."""
    passing = expiring_memberships
    rows = tx.rows(select(passing.c.group_id, passing.c.expires_at).where(passing.c.user_id == user_id, _counts()))
    found: dict[str, int] = {}
    for row in rows:
        found[row.group_id] = max(row.expires_at, found.get(row.group_id, 0))
    return found
