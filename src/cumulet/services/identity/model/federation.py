"""Logging in at an identity provider's protocol: bearer token → claims → assertion → proof → unscoped token.

The keys of the issuer are read from the network: runs on the login threads, outside of every transaction.
"""

from __future__ import annotations

from msgspec import UNSET
from msgspec.structs import replace

from cumulet.http.faults import Unauthorized
from cumulet.services.identity.model import login, oidc
from cumulet.services.identity.model.methods import Attempt, mapped
from cumulet.services.identity.model.tokens import Record
from cumulet.services.identity.wire import tokens as wire

_NAMED = frozenset({"openid", "saml2"})


def log_in(attempt: Attempt, idp_id: str, protocol_id: str) -> tuple[str, Record]:
    """An unscoped token, and its record. Raises 401, 403, 404, and 503 when the issuer's keys cannot be had."""
    with attempt.db.read() as tx:
        mapped.provider(tx, idp_id, protocol_id, None)
    issuers = attempt.context.issuers
    issuer = issuers.of(idp_id, protocol_id)
    if issuer is None:
        raise Unauthorized(
            f"Protocol {protocol_id} of identity provider {idp_id} is not configured for OpenID Connect: no issuer is "
            "declared for it in federation.yaml."
        )
    scheme, _, token = attempt.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthorized("A bearer token of the identity provider is needed in the header Authorization.")
    said = oidc.assertion(issuers.claims(issuer, token.strip()))
    block = wire.Asserted(identity_provider=idp_id, protocol=protocol_id)
    proof = mapped.prove(replace(attempt, assertion=said), block)
    method = protocol_id if protocol_id in _NAMED else "mapped"
    return login.issue(attempt, {method: proof}, UNSET)
