"""OAuth 1.0a: consumers, and the tokens by which users let them act on a project with some of their roles.

A request token is what a consumer asks for; a user authorizes it, and the consumer changes it, once, for an access
token. Secrets sign and so have to be read again: the vault seals them. Signatures are checked in `oauth1_signatures`.
"""

from __future__ import annotations

import secrets
import string
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from cumulet.db import Transaction, select_as
from cumulet.http.collections import Query
from cumulet.http.faults import NotFound, Unauthorized
from cumulet.services.identity.model import delegations, generation, lookups, trusts
from cumulet.services.identity.model.filters import listed
from cumulet.services.identity.model.vault import Vault
from cumulet.services.identity.tables import (
    OAuth1AccessTokenRow,
    OAuth1ConsumerRow,
    OAuth1RequestTokenRow,
    ProjectRow,
    RoleRow,
    roles,
)
from cumulet.services.identity.tables import oauth1_access_tokens as access_tokens
from cumulet.services.identity.tables import oauth1_consumers as consumers
from cumulet.services.identity.tables import oauth1_request_tokens as request_tokens

REQUEST_LIFE_S = 8 * 3600  # both as in Keystone
ACCESS_LIFE_S = 24 * 3600
VERIFIER_LENGTH = 8
VERIFIER_LETTERS = "".join(c for c in string.ascii_letters + string.digits if c not in "jiIl1oO0")
_SECOND = 1_000_000
_CONSUMERS = {"id": consumers.c.id}
_ACCESS_TOKENS = {"id": access_tokens.c.id}


class Issued(Struct, frozen=True):
    """A token with its secret, for the one answer that tells it."""

    id: str
    secret: str
    expires_at: int


def browse_consumers(tx: Transaction, query: Query) -> Sequence[OAuth1ConsumerRow]:
    """Consumers, of one page. One query, two with a marker."""
    return listed(tx, select_as(OAuth1ConsumerRow), query, _CONSUMERS)


def consumer(tx: Transaction, consumer_id: str) -> OAuth1ConsumerRow:
    """The consumer. Raises 404. One query."""
    row = tx.row(select_as(OAuth1ConsumerRow).where(consumers.c.id == consumer_id))
    if row is None:
        raise NotFound("Consumer not found")
    return row


def create_consumer(tx: Transaction, vault: Vault, fields: Mapping[str, Any]) -> tuple[OAuth1ConsumerRow, str]:
    """A new consumer, and its secret."""
    secret = uuid.uuid4().hex
    values = {**fields, "id": uuid.uuid4().hex, **vault.sealed(secret)}
    tx.insert(consumers, values)
    return consumer(tx, values["id"]), secret


def update_consumer(tx: Transaction, row: OAuth1ConsumerRow, fields: Mapping[str, Any]) -> OAuth1ConsumerRow:
    """Change what is told about a consumer."""
    tx.update(consumers, consumers.c.id == row.id, **fields)
    return consumer(tx, row.id)


def delete_consumer(tx: Transaction, consumer_id: str) -> None:
    """Delete a consumer, which ends all its tokens. Raises 404."""
    if not delegations.forget_consumer(tx, consumer_id):
        raise NotFound("Consumer not found")
    generation.bump(tx)


def find_request_token(tx: Transaction, token_id: str) -> OAuth1RequestTokenRow | None:
    """The request token, or None. One query."""
    return tx.row(select_as(OAuth1RequestTokenRow).where(request_tokens.c.id == token_id))


def find_access_token(tx: Transaction, token_id: str) -> OAuth1AccessTokenRow | None:
    """The access token, or None. One query."""
    return tx.row(select_as(OAuth1AccessTokenRow).where(access_tokens.c.id == token_id))


def access_token(tx: Transaction, token_id: str) -> OAuth1AccessTokenRow:
    """The access token. Raises 404. One query."""
    row = find_access_token(tx, token_id)
    if row is None:
        raise NotFound("Access token not found")
    return row


def request(tx: Transaction, vault: Vault, consumer_id: str, project_id: str) -> Issued:
    """A new request token for a project. Forgets those that are over. Raises 404."""
    lookups.get(tx, ProjectRow, project_id)
    tx.delete(request_tokens, request_tokens.c.expires_at < tx.now)
    made = Issued(uuid.uuid4().hex, uuid.uuid4().hex, tx.now + REQUEST_LIFE_S * _SECOND)
    values = {"id": made.id, "consumer_id": consumer_id, "requested_project_id": project_id}
    tx.insert(request_tokens, {**values, "expires_at": made.expires_at, "role_ids": [], **vault.sealed(made.secret)})
    return made


def waiting(tx: Transaction, token_id: str) -> OAuth1RequestTokenRow:
    """A request token that is not over. Raises 404, 401."""
    row = find_request_token(tx, token_id)
    if row is None:
        raise NotFound("Request token not found")
    if row.expires_at <= tx.now:
        raise Unauthorized("Request token is expired")
    return row


def authorize(tx: Transaction, token_id: str, user_id: str, role_ids: Sequence[str]) -> str:
    """`user_id` lets the consumer have these roles on the project that it asked for; the verifier that proves it.
    Raises 401 for roles that the user does not have there, 404."""
    row = waiting(tx, token_id)
    if not set(role_ids) <= trusts.effective(tx, user_id, row.requested_project_id):
        raise Unauthorized("authorizing user does not have role required")
    verifier = "".join(secrets.choice(VERIFIER_LETTERS) for _ in range(VERIFIER_LENGTH))
    given = {"authorizing_user_id": user_id, "verifier": verifier, "role_ids": list(dict.fromkeys(role_ids))}
    tx.update(request_tokens, request_tokens.c.id == row.id, **given)
    return verifier


def exchange(tx: Transaction, vault: Vault, row: OAuth1RequestTokenRow) -> Issued:
    """The access token for an authorized request token, which is used up. Raises 401."""
    if not row.authorizing_user_id:
        raise Unauthorized("Request Token does not have an authorizing user id.")
    if not tx.delete(request_tokens, request_tokens.c.id == row.id):
        raise Unauthorized("Invalid signature")  # somebody else was faster
    tx.delete(access_tokens, access_tokens.c.expires_at < tx.now)
    made = Issued(uuid.uuid4().hex, uuid.uuid4().hex, tx.now + ACCESS_LIFE_S * _SECOND)
    values = {
        "id": made.id,
        "consumer_id": row.consumer_id,
        "authorizing_user_id": row.authorizing_user_id,
        "project_id": row.requested_project_id,
        "role_ids": row.role_ids,
        "expires_at": made.expires_at,
    }
    tx.insert(access_tokens, {**values, **vault.sealed(made.secret)})
    return made


def browse_access_tokens(tx: Transaction, query: Query, user_id: str) -> Sequence[OAuth1AccessTokenRow]:
    """What a user has authorized. One query, two with a marker."""
    wanted = select_as(OAuth1AccessTokenRow).where(access_tokens.c.authorizing_user_id == user_id)
    return listed(tx, wanted, query, _ACCESS_TOKENS)


def delete_access_token(tx: Transaction, row: OAuth1AccessTokenRow) -> None:
    """Delete an access token, which ends what was made of it."""
    tx.delete(access_tokens, access_tokens.c.id == row.id)
    generation.bump(tx)


def roles_of(tx: Transaction, row: OAuth1AccessTokenRow) -> Sequence[RoleRow]:
    """The roles that an access token was authorized for, in the order in which they were given. One query."""
    found = tx.rows(select_as(RoleRow).where(roles.c.id.in_(row.role_ids)))
    return sorted(found, key=lambda each: row.role_ids.index(each.id))
