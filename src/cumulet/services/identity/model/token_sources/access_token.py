"""Tokens made by an access token of OAuth1: the roles that its user authorized, as far as the user still has them."""

from __future__ import annotations

from cumulet.auth import Unauthenticated
from cumulet.db import Transaction
from cumulet.services.identity.model import oauth1, trusts
from cumulet.services.identity.model.payloads import Payload
from cumulet.services.identity.model.token_sources import Delegation


def hold(tx: Transaction, payload: Payload) -> Delegation:
    """What the token of `payload` is worth now. Raises `Unauthenticated`. Three queries."""
    row = oauth1.find_access_token(tx, payload.facts.access_token_id)
    if row is None or row.expires_at <= tx.now or row.authorizing_user_id != payload.user_id:
        raise Unauthenticated
    if (payload.scope, payload.target) != ("project", row.project_id):
        raise Unauthenticated
    held = trusts.effective(tx, payload.user_id, payload.target)
    return Delegation(
        role_ids=[role_id for role_id in row.role_ids if role_id in held],
        implied=False,  # what was authorized is all there is (OSSA-2020-005)
        body={"OS-OAUTH1": {"access_token_id": row.id, "consumer_id": row.consumer_id}},
    )
