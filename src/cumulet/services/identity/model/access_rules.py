"""Access rules: which requests an application credential may be used for. A user has each rule once."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence

from sqlalchemy import select

from cumulet.db import Transaction, select_as
from cumulet.http.collections import Query
from cumulet.http.faults import BadRequest, NotAllowed
from cumulet.services.identity.model import lookups
from cumulet.services.identity.model.filters import listed
from cumulet.services.identity.tables import AccessRuleRow, access_rules, application_credential_access_rules

NOUN = "Access Rule"
PARTS = ("service", "path", "method")
COLUMNS = {"id": access_rules.c.id, **{name: access_rules.c[name] for name in PARTS}}


def browse(tx: Transaction, query: Query, user_id: str) -> Sequence[AccessRuleRow]:
    """A user's access rules that fit `query`. One query, two with a marker."""
    return listed(tx, select_as(AccessRuleRow).where(access_rules.c.user_id == user_id), query, COLUMNS)


def get(tx: Transaction, user_id: str, identifier: str) -> AccessRuleRow:
    """An access rule of the user. Raises 404. One query."""
    row = tx.row(select_as(AccessRuleRow).where(access_rules.c.id == identifier, access_rules.c.user_id == user_id))
    if row is None:
        raise lookups.missing(NOUN, identifier)
    return row


def ensure(tx: Transaction, user_id: str, asked: Sequence[Mapping[str, str]]) -> list[str]:
    """Ids of the rules in `asked`, each given by id or in full; those the user does not have yet are made. Raises
    400 for half of one, 404. One query, and one to store."""
    if not asked:
        return []
    rows = tx.rows(select_as(AccessRuleRow).where(access_rules.c.user_id == user_id))
    known_ids = {row.id for row in rows}
    known = {tuple(getattr(row, name) for name in PARTS): row.id for row in rows}
    found, new = [], []
    for rule in asked:
        if "id" in rule:
            if rule["id"] not in known_ids:
                raise lookups.missing(NOUN, rule["id"])
            found.append(rule["id"])
            continue
        for name in PARTS:
            if name not in rule:
                raise BadRequest(f"Invalid input for field 'access_rules': {name!r} is a required property")
        parts = tuple(rule[name] for name in PARTS)
        if parts not in known:
            known[parts] = uuid.uuid4().hex
            new.append({"id": known[parts], "user_id": user_id, **dict(zip(PARTS, parts, strict=True))})
        found.append(known[parts])
    tx.insert(access_rules, new)
    return list(dict.fromkeys(found))


def delete(tx: Transaction, user_id: str, identifier: str) -> None:
    """Delete an access rule. Raises 403 while an application credential has it, 404."""
    get(tx, user_id, identifier)
    links = application_credential_access_rules
    if tx.row(select(links.c.access_rule_id).where(links.c.access_rule_id == identifier)) is not None:
        raise NotAllowed("May not delete access rule in use")
    tx.delete(access_rules, access_rules.c.id == identifier)
