"""Tokens made by an application credential: the roles it was given, as far as its user still has them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from cumulet.auth import Unauthenticated
from cumulet.db import Transaction, select_as
from cumulet.services.identity.model import access, snapshot
from cumulet.services.identity.model.payloads import Payload
from cumulet.services.identity.model.token_sources import Delegation
from cumulet.services.identity.tables import (
    AccessRuleRow,
    ApplicationCredentialRow,
    access_rules,
    application_credential_access_rules,
    application_credential_roles,
    application_credentials,
)


def hold(tx: Transaction, payload: Payload) -> Delegation:
    """What the token of `payload` is worth now. Raises `Unauthenticated`. Five queries."""
    identifier = payload.facts.application_credential_id
    row = tx.row(select_as(ApplicationCredentialRow).where(application_credentials.c.id == identifier))
    if row is None or row.user_id != payload.user_id or (payload.scope, payload.target) != ("project", row.project_id):
        raise Unauthenticated
    if row.expires_at is not None and row.expires_at <= tx.now:
        raise Unauthenticated
    rules = _rules(tx, identifier)
    body: dict[str, Any] = {"id": row.id, "name": row.name, "restricted": not row.unrestricted}
    if rules:
        body["access_rules"] = rules
    return Delegation(
        role_ids=_role_ids(tx, payload),
        implied=False,  # what the roles implied was written down when the credential was made
        body={"application_credential": body},
        access_rules=tuple(rules) or None,
    )


def _role_ids(tx: Transaction, payload: Payload) -> list[str]:
    links = application_credential_roles
    given = select(links.c.role_id).where(links.c.application_credential_id == payload.facts.application_credential_id)
    implied = snapshot.closure(tx)
    held = access.project_roles(tx, payload.user_id, payload.target)
    every = {role_id for prior in held for role_id in (prior, *implied.get(prior, ()))}
    return [row.role_id for row in tx.rows(given) if row.role_id in every]


def _rules(tx: Transaction, identifier: str) -> list[dict[str, str]]:
    links = application_credential_access_rules
    wanted = (
        select_as(AccessRuleRow)
        .join(links, links.c.access_rule_id == access_rules.c.id)
        .where(links.c.application_credential_id == identifier)
        .order_by(access_rules.c.id)
    )
    return [{"id": row.id, "service": row.service, "path": row.path, "method": row.method} for row in tx.rows(wanted)]
