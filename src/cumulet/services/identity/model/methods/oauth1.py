"""By a request signed with an access token of OAuth1, which fixes the scope."""

from __future__ import annotations

from functools import partial
from typing import Any

from cumulet.http.faults import NotFound, Unauthorized
from cumulet.services.identity.model import oauth1, scopes
from cumulet.services.identity.model import oauth1_signatures as signatures
from cumulet.services.identity.model.methods import Attempt, Proof
from cumulet.services.identity.model.payloads import Facts
from cumulet.services.identity.model.tokens import SECOND


def prove(attempt: Attempt, block: Any) -> Proof:
    """Who authorized the access token. Raises `Unauthenticated`, 400, 404 for one that is not there, as Keystone."""
    given = signatures.parameters(attempt.headers, "oauth_token")
    url = attempt.url.partition("?")[0]  # clients sign the address without ``?nocatalog``
    with attempt.db.read() as tx:
        row = oauth1.find_access_token(tx, given["oauth_token"])
        if row is None:
            raise NotFound("Access token not found")
        if row.expires_at <= tx.now:
            raise Unauthorized("Access token is expired")
        nonce_id = signatures.Signatures(tx, attempt.context.vault).check("access", url, attempt.headers)
        scope = scopes.project(tx, row.project_id)
    return Proof(
        row.authorizing_user_id,
        facts=Facts(access_token_id=row.id),
        scope=scope,
        expires_at=row.expires_at // SECOND,
        settle=partial(signatures.spend, nonce_id=nonce_id),
    )
