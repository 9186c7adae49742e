"""Roles, and which role implies which."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import or_

from cumulet.db import Transaction, select_as
from cumulet.http.collections import Query
from cumulet.http.faults import BadRequest, Conflict, NotAllowed, NotFound
from cumulet.services.identity.model import delegations, generation, lookups, options, snapshot
from cumulet.services.identity.model.filters import listed
from cumulet.services.identity.tables import DomainRow, ImpliedRoleRow, RoleRow, assignments, implied_roles, roles

COLUMNS = {"id": roles.c.id, "name": roles.c.name, "domain_id": roles.c.domain_id}
NOT_IMPLIED = frozenset({"admin"})  # Keystone's prohibited_implied_role


def browse(tx: Transaction, query: Query) -> Sequence[RoleRow]:
    """Roles that fit `query`: those of no domain unless it asks for a domain's. One query, two with a marker."""
    wanted = select_as(RoleRow)
    if "domain_id" not in query:
        wanted = wanted.where(roles.c.domain_id == "")
    return listed(tx, wanted, query, COLUMNS)


def create(tx: Transaction, fields: Mapping[str, Any]) -> RoleRow:
    """A new role. Raises 404 for the domain, 409 for the name."""
    values = {**fields, "id": uuid.uuid4().hex, "domain_id": fields.get("domain_id") or ""}
    values["options"] = options.merged({}, values.get("options", {}), options.FOR_RESOURCES)
    if values["domain_id"]:
        lookups.get(tx, DomainRow, values["domain_id"])
    lookups.insert(tx, roles, values, _taken(values["name"]))
    generation.bump(tx)
    return lookups.get(tx, RoleRow, values["id"])


def update(tx: Transaction, row: RoleRow, fields: Mapping[str, Any]) -> RoleRow:
    """Change a role. Raises 400, 409."""
    options.check_update("role", row, fields)
    values = dict(fields)
    if "options" in values:
        values["options"] = options.merged(row.options, values["options"], options.FOR_RESOURCES)
    if (values.pop("domain_id", row.domain_id) or "") != row.domain_id:
        raise BadRequest("Cannot change Domain ID")
    lookups.change(tx, roles, row.id, values, _taken(values.get("name", row.name)))
    generation.bump(tx)
    return lookups.get(tx, RoleRow, row.id)


def delete(tx: Transaction, row: RoleRow) -> None:
    """Delete a role with all its grants and implications. Raises 403."""
    options.check_delete("role", row)
    role_id = row.id
    tx.delete(assignments, assignments.c.role_id == role_id)
    delegations.forget_roles(tx, [role_id])
    tx.delete(implied_roles, or_(implied_roles.c.prior_id == role_id, implied_roles.c.implied_id == role_id))
    tx.delete(roles, roles.c.id == role_id)
    generation.bump(tx)


def implied(tx: Transaction, prior_id: str) -> Sequence[RoleRow]:
    """Roles that `prior_id` implies directly. One query."""
    wanted = select_as(RoleRow).join(implied_roles, implied_roles.c.implied_id == roles.c.id)
    return tx.rows(wanted.where(implied_roles.c.prior_id == prior_id).order_by(roles.c.name))


def implies(tx: Transaction, prior_id: str, implied_id: str) -> bool:
    """Whether the rule exists. One query."""
    return tx.row(select_as(ImpliedRoleRow).where(_rule(prior_id, implied_id))) is not None


def imply(tx: Transaction, prior: RoleRow, following: RoleRow) -> None:
    """`prior` implies `following` from now on; saying so again is fine. Raises 403."""
    if following.name in NOT_IMPLIED:
        raise NotAllowed(f"{following.id} cannot be an implied roles.")
    if following.domain_id and not prior.domain_id:
        raise NotAllowed("Global role cannot imply a domain-specific role")
    if prior.id == following.id or prior.id in snapshot.closure(tx).get(following.id, ()):
        raise NotAllowed(f"{following.id} cannot be an implied roles.")
    if not implies(tx, prior.id, following.id):
        tx.insert(implied_roles, {"prior_id": prior.id, "implied_id": following.id})
        generation.bump(tx)


def imply_no_more(tx: Transaction, prior_id: str, implied_id: str) -> None:
    """Take the rule away. Raises 404."""
    if not tx.delete(implied_roles, _rule(prior_id, implied_id)):
        raise no_rule(prior_id, implied_id)
    generation.bump(tx)


def rules(tx: Transaction) -> list[tuple[RoleRow, list[RoleRow]]]:
    """Every role that implies others, with those. Two queries."""
    known = {row.id: row for row in tx.rows(select_as(RoleRow))}
    found: dict[str, list[RoleRow]] = {}
    for rule in tx.rows(select_as(ImpliedRoleRow)):
        found.setdefault(rule.prior_id, []).append(known[rule.implied_id])
    return sorted(((known[prior], those) for prior, those in found.items()), key=lambda pair: str(pair[0].name))


def no_rule(prior_id: str, implied_id: str) -> NotFound:
    """Keystone's 404 for a rule that is not there."""
    return NotFound(f"{prior_id} does not imply {implied_id}.")


def _rule(prior_id: str, implied_id: str) -> Any:
    return (implied_roles.c.prior_id == prior_id) & (implied_roles.c.implied_id == implied_id)


def _taken(name: str) -> Conflict:
    return lookups.conflict("role", f"Duplicate entry found with name {name}")
