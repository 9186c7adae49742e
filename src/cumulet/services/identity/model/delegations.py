"""What goes when somebody or something goes: the secrets and delegations of users, projects, roles and grants.

Called by those nouns' own modules, in their transaction. Each function takes ids, or a statement that selects them, and
runs a constant number of statements. The caller raises the generation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, or_, select

from cumulet.db import Transaction
from cumulet.services.identity.tables import (
    access_rules,
    application_credential_access_rules,
    application_credential_roles,
    application_credentials,
    credentials,
    oauth1_access_tokens,
    oauth1_consumers,
    oauth1_request_tokens,
    trust_roles,
    trusts,
)

Ids = Sequence[str] | Select[Any]


def forget_users(tx: Transaction, ids: Ids) -> None:
    """Users go: what they hold, what they have given and what was given to them."""
    tx.delete(credentials, credentials.c.user_id.in_(ids))
    forget_application_credentials(tx, application_credentials.c.user_id.in_(ids))
    tx.delete(access_rules, access_rules.c.user_id.in_(ids))
    forget_trusts(tx, or_(trusts.c.trustor_user_id.in_(ids), trusts.c.trustee_user_id.in_(ids)))
    tx.delete(oauth1_access_tokens, oauth1_access_tokens.c.authorizing_user_id.in_(ids))
    tx.delete(oauth1_request_tokens, oauth1_request_tokens.c.authorizing_user_id.in_(ids))


def forget_projects(tx: Transaction, ids: Ids) -> None:
    """Projects go: whatever gives something there."""
    tx.delete(credentials, credentials.c.project_id.in_(ids))
    forget_application_credentials(tx, application_credentials.c.project_id.in_(ids))
    forget_trusts(tx, trusts.c.project_id.in_(ids))
    tx.delete(oauth1_access_tokens, oauth1_access_tokens.c.project_id.in_(ids))
    tx.delete(oauth1_request_tokens, oauth1_request_tokens.c.requested_project_id.in_(ids))


def forget_roles(tx: Transaction, ids: Ids) -> None:
    """Roles go: no delegation has them any longer."""
    tx.delete(application_credential_roles, application_credential_roles.c.role_id.in_(ids))
    tx.delete(trust_roles, trust_roles.c.role_id.in_(ids))


def forget_disabled(tx: Transaction, user_id: str) -> None:
    """A user is disabled: its application credentials and access rules go for good, as in Keystone."""
    forget_application_credentials(tx, application_credentials.c.user_id == user_id)
    tx.delete(access_rules, access_rules.c.user_id == user_id)


def forget_application_credentials(tx: Transaction, where: ColumnElement[bool]) -> int:
    """Delete application credentials with their roles, and free their access rules; how many there were."""
    ids = select(application_credentials.c.id).where(where)
    for table in (application_credential_roles, application_credential_access_rules):
        tx.delete(table, table.c.application_credential_id.in_(ids))
    return tx.delete(application_credentials, where)


def forget_trusts(tx: Transaction, where: ColumnElement[bool]) -> int:
    """Delete trusts, and all that were redelegated from them; how many there were."""
    chain = select(trusts.c.id).where(where).cte("chain", recursive=True)
    chain = chain.union(select(trusts.c.id).join(chain, trusts.c.redelegated_trust_id == chain.c.id))
    ids = [row.id for row in tx.rows(select(chain.c.id))]
    if ids:
        tx.delete(trust_roles, trust_roles.c.trust_id.in_(ids))
        tx.delete(trusts, trusts.c.id.in_(ids))
    return len(ids)


def forget_consumer(tx: Transaction, consumer_id: str) -> int:
    """Delete a consumer of OAuth with all tokens it was given; whether it was there."""
    tx.delete(oauth1_request_tokens, oauth1_request_tokens.c.consumer_id == consumer_id)
    tx.delete(oauth1_access_tokens, oauth1_access_tokens.c.consumer_id == consumer_id)
    return tx.delete(oauth1_consumers, oauth1_consumers.c.id == consumer_id)
