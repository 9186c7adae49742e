"""Groups of users and who is in them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from cumulet.db import Transaction, select_as
from cumulet.http.collections import Query
from cumulet.http.faults import BadRequest, Conflict, NotFound
from cumulet.services.identity.model import generation, lookups
from cumulet.services.identity.model import memberships as members
from cumulet.services.identity.model.filters import listed
from cumulet.services.identity.tables import (
    DomainRow,
    GroupRow,
    MembershipRow,
    assignments,
    expiring_memberships,
    groups,
    memberships,
)

COLUMNS = {"id": groups.c.id, "name": groups.c.name, "domain_id": groups.c.domain_id}


def browse(tx: Transaction, query: Query, domain_id: str | None, user_id: str | None = None) -> Sequence[GroupRow]:
    """Groups that fit `query`, of one domain or user when given. One query, two with a marker."""
    wanted = select_as(GroupRow)
    if domain_id is not None:
        wanted = wanted.where(groups.c.domain_id == domain_id)
    if user_id is not None:
        wanted = wanted.where(groups.c.id.in_(members.groups_of(user_id)))
    return listed(tx, wanted, query, COLUMNS)


def create(tx: Transaction, fields: Mapping[str, Any]) -> GroupRow:
    """A new group. Raises 404 for the domain, 409 for the name."""
    lookups.get(tx, DomainRow, fields["domain_id"])
    group_id = uuid.uuid4().hex
    row = {**fields, "id": group_id, "name": fields["name"].strip(), "description": fields.get("description") or ""}
    lookups.insert(tx, groups, row, _taken(row["name"], fields["domain_id"]))
    return lookups.get(tx, GroupRow, group_id)


def update(tx: Transaction, row: GroupRow, fields: Mapping[str, Any]) -> GroupRow:
    """Change a group. Raises 400, 409."""
    values = dict(fields)
    if values.pop("domain_id", row.domain_id) != row.domain_id:
        raise BadRequest("Cannot change Domain ID")
    if "description" in values:
        values["description"] = values["description"] or ""
    lookups.change(tx, groups, row.id, values, _taken(values.get("name", row.name), row.domain_id))
    return lookups.get(tx, GroupRow, row.id)


def delete(tx: Transaction, group_id: str) -> None:
    """Delete a group with its memberships and grants."""
    tx.delete(memberships, memberships.c.group_id == group_id)
    tx.delete(expiring_memberships, expiring_memberships.c.group_id == group_id)
    tx.delete(assignments, assignments.c.actor_id == group_id)
    tx.delete(groups, groups.c.id == group_id)
    generation.bump(tx)


def contains(tx: Transaction, group_id: str, user_id: str) -> bool:
    """Whether the user is in the group. One query."""
    return bool(members.members(tx, [group_id], user_id))


def add(tx: Transaction, group_id: str, user_id: str) -> None:
    """Put the user into the group; being there already is fine."""
    wanted = select_as(MembershipRow).where(memberships.c.group_id == group_id, memberships.c.user_id == user_id)
    if tx.row(wanted) is None:
        tx.insert(memberships, {"group_id": group_id, "user_id": user_id})
        generation.bump(tx)


def remove(tx: Transaction, group_id: str, user_id: str) -> None:
    """Take the user out of the group. Raises 404."""
    if not tx.delete(memberships, (memberships.c.group_id == group_id) & (memberships.c.user_id == user_id)):
        raise not_in(group_id, user_id)
    generation.bump(tx)


def not_in(group_id: str, user_id: str) -> NotFound:
    """Keystone's 404 for a user who is not in the group."""
    return NotFound(f"User '{user_id}' not found in group '{group_id}'")


def _taken(name: str, domain_id: str) -> Conflict:
    return lookups.conflict("group", f"Duplicate entry found with name {name} at domain ID {domain_id}")
