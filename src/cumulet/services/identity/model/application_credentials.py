"""Application credentials: a part of a user's roles on one project, proven by a secret that is hashed, never kept.

What one may be used for can be narrowed by access rules, which belong to the user and outlive it. A deleted one ends
its tokens: `token_sources/application_credential.py` looks for the row.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from msgspec import Struct
from sqlalchemy import Column, func, select

from cumulet.auth import Caller
from cumulet.db import Transaction, TypedRow, select_as
from cumulet.http.collections import Query
from cumulet.http.faults import BadRequest, NotAllowed
from cumulet.services.identity.model import access_rules, delegations, generation, lookups, names, passwords, snapshot
from cumulet.services.identity.model.filters import listed
from cumulet.services.identity.tables import (
    AccessRuleRow,
    ApplicationCredentialRow,
    RoleRow,
    application_credential_access_rules,
    application_credential_roles,
    application_credentials,
    folded,
    roles,
)

NOUN = "Application Credential"
COLUMNS = {"id": application_credentials.c.id, "name": application_credentials.c.name}
USER_LIMIT = 200
"""How many a user may have; Keystone's option of that name has no limit unless an operator sets one."""
_SECRET_BYTES = 64


class _Linked(TypedRow):
    """What belongs to an application credential."""

    application_credential_id: str


class _LinkedRole(RoleRow, _Linked):
    """A role of an application credential."""


class _LinkedRule(AccessRuleRow, _Linked):
    """An access rule of an application credential."""


L = TypeVar("L", bound=_Linked)


class Found(Struct, frozen=True):
    """An application credential with its roles and access rules."""

    row: ApplicationCredentialRow
    roles: Sequence[RoleRow]
    access_rules: Sequence[AccessRuleRow]


def secret_and_hash(given: str | None) -> tuple[str, str]:
    """The secret, made here unless `given`, and what is stored of it. Slow. Raises 400."""
    secret = given or secrets.token_urlsafe(_SECRET_BYTES)
    if len(secret) > passwords.LONGEST:
        raise invalid(f"the secret is longer than {passwords.LONGEST} characters")
    return secret, passwords.digest(secret)


def find(tx: Transaction, identifier: str) -> ApplicationCredentialRow | None:
    """The row, or None. One query."""
    return tx.row(select_as(ApplicationCredentialRow).where(application_credentials.c.id == identifier))


def browse(tx: Transaction, query: Query, user_id: str) -> list[Found]:
    """A user's application credentials that fit `query`. Three queries, four with a marker."""
    wanted = select_as(ApplicationCredentialRow).where(application_credentials.c.user_id == user_id)
    return whole(tx, listed(tx, wanted, query, COLUMNS))


def whole(tx: Transaction, rows: Sequence[ApplicationCredentialRow]) -> list[Found]:
    """`rows` with their roles and access rules. Two queries, none for no rows."""
    if not rows:
        return []
    ids = [row.id for row in rows]
    of_roles = _joined(tx, _LinkedRole, application_credential_roles.c.role_id, ids, ())
    links = application_credential_access_rules
    of_rules = _joined(tx, _LinkedRule, links.c.access_rule_id, ids, [links.c.position])
    return [Found(row, of_roles.get(row.id, ()), of_rules.get(row.id, ())) for row in rows]


def _joined(
    tx: Transaction, kind: type[L], column: Column[Any], ids: Collection[str], order: Sequence[Column[Any]]
) -> dict[str, list[L]]:
    """Rows that `column` of a table of links names, by application credential, in that order."""
    table, link = kind.__table__, column.table
    wanted = (
        select_as(kind, table, link.c.application_credential_id)
        .join(link, column == table.c.id)
        .where(link.c.application_credential_id.in_(ids))
        .order_by(*order, table.c.id)
    )
    found: dict[str, list[L]] = {}
    for row in tx.rows(wanted):
        found.setdefault(row.application_credential_id, []).append(row)
    return found


def chosen_roles(tx: Transaction, asked: Iterable[Mapping[str, str]], held: Collection[str]) -> list[str]:
    """Role ids for what was asked for, with what they imply: never more than `held`, the caller's own token's, which
    are taken when nothing was asked for. Raises 400, 404."""
    wanted = role_ids(tx, asked)
    if not wanted:
        return sorted(held)
    implied = snapshot.closure(tx)
    every = {role_id for prior in wanted for role_id in (prior, *implied.get(prior, ()))}
    if not every <= set(held):
        raise invalid("Cannot create an application credential with unassigned role")
    return sorted(every)


def role_ids(tx: Transaction, asked: Iterable[Mapping[str, str]]) -> list[str]:
    """Ids of roles given by id or by name. Raises 404. One query."""
    wanted = list(asked)
    if not wanted:
        return []
    keys = [folded(role["name"]) for role in wanted if "name" in role]
    ids = [role["id"] for role in wanted if "id" in role]
    where = roles.c.id.in_(ids) | (roles.c.name_key.in_(keys) & (roles.c.domain_id == ""))
    rows = tx.rows(select(roles.c.id, roles.c.name, roles.c.namesake, roles.c.domain_id).where(where))
    by_id = {row.id for row in rows}
    by_name: names.Book[str] = names.Book()
    for row in rows:
        by_name.add(row.domain_id, row, row.id)
    found = []
    for role in wanted:
        role_id = by_name.get("", role["name"]) if "name" in role else role.get("id")
        if role_id is None or role_id not in by_id:
            raise lookups.missing("role", role.get("name") or role.get("id"))
        found.append(role_id)
    return list(dict.fromkeys(found))


def create(
    tx: Transaction, fields: Mapping[str, Any], of_roles: Sequence[str], rules: Sequence[Mapping[str, str]]
) -> Found:
    """A new application credential. `fields`: columns but for the id. Raises 404 for an access rule, 409."""
    identifier = uuid.uuid4().hex
    taken = lookups.conflict("application_credential", f"Duplicate entry found with name {fields['name']}")
    lookups.insert(tx, application_credentials, {**fields, "id": identifier}, taken)
    ours = {"application_credential_id": identifier}
    tx.insert(application_credential_roles, [{**ours, "role_id": role_id} for role_id in of_roles])
    rule_ids = access_rules.ensure(tx, fields["user_id"], rules)
    placed = [{**ours, "access_rule_id": rule_id, "position": place} for place, rule_id in enumerate(rule_ids)]
    tx.insert(application_credential_access_rules, placed)
    row = find(tx, identifier)
    assert row is not None
    return whole(tx, [row])[0]


def refuse_restricted(tx: Transaction, caller: Caller) -> None:
    """Raise 403 when the caller comes by an application credential that may not manage others. One query, or none."""
    if "application_credential" not in caller.methods:
        return
    row = find(tx, caller.token.facts.application_credential_id)
    if row is None or not row.unrestricted:
        raise NotAllowed(
            "You are not authorized to perform the requested action: Using method 'application_credential' is not "
            "allowed for managing additional application credentials."
        )


def refuse_many(tx: Transaction, user_id: str) -> None:
    """Raise 403, in Keystone's words, when the user has as many as may be. One query."""
    counted = select(func.count()).select_from(application_credentials)
    if tx.scalar(counted.where(application_credentials.c.user_id == user_id)) >= USER_LIMIT:
        raise NotAllowed(
            f"Unable to create additional application credentials, maximum of {USER_LIMIT} already exceeded for user."
        )


def delete(tx: Transaction, identifier: str) -> None:
    """Delete an application credential, which ends its tokens."""
    delegations.forget_application_credentials(tx, application_credentials.c.id == identifier)
    generation.bump(tx)


def invalid(detail: str) -> BadRequest:
    """Keystone's 400 for an application credential that cannot be."""
    return BadRequest(f"Invalid application credential: {detail}")
