"""By a token one has already: the new one continues its chain, keeps its end, and is never more than it was."""

from __future__ import annotations

from cumulet.auth import Unauthenticated
from cumulet.http.faults import NotAllowed, NotFound
from cumulet.services.identity.model.methods import Attempt, Proof
from cumulet.services.identity.model.payloads import Facts, Payload
from cumulet.services.identity.wire import tokens as wire

PRIMARY = frozenset({"external", "mapped", "openid", "password", "saml2", "token", "totp"})
"""Methods that prove a user. A token by any other was narrowed on purpose, and makes no further one."""


def prove(attempt: Attempt, block: wire.Token) -> Proof:
    """The user of the token. Raises 404 for one that is worth nothing, as Keystone; 403 for one that makes no other."""
    try:
        with attempt.db.read() as tx:
            parent = attempt.context.tokens.find(tx, block.id).payload
    except Unauthenticated:
        raise NotFound("Failed to validate token") from None
    refuse_delegated(parent)
    of_provider = Facts(idp_id=parent.facts.idp_id, protocol_id=parent.facts.protocol_id, groups=parent.facts.groups)
    return Proof(parent.user_id, parent.methods, parent, of_provider, expires_at=parent.expires_at)


def refuse_delegated(parent: Payload) -> None:
    """Raise 403 when the token stands for a part of its user only."""
    if parent.facts.access_token_id:
        raise NotAllowed("Using OAuth-scoped token to create another token. Create a new OAuth-scoped token instead")
    if parent.facts.trust_id:
        raise NotAllowed("Using trust-scoped token to create another token. Create a new trust-scoped token instead")
    if parent.facts.application_credential_id or not PRIMARY.issuperset(parent.methods):
        raise NotAllowed("Using a delegated token to create another token is not allowed.")
