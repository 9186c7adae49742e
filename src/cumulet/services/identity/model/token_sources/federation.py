"""Tokens of users whom an identity provider knows: the groups that its mapping gave bring roles.

Such a token ends when its identity provider is disabled, or that or the protocol is deleted.
"""

from __future__ import annotations

from sqlalchemy import select

from cumulet.auth import Unauthenticated
from cumulet.db import Transaction
from cumulet.services.identity.model.payloads import Payload
from cumulet.services.identity.model.token_sources import Delegation
from cumulet.services.identity.tables import federation_protocols, identity_providers


def hold(tx: Transaction, payload: Payload) -> Delegation:
    """What the token of `payload` is worth now. Raises `Unauthenticated`. One query."""
    facts = payload.facts
    wanted = (
        select(identity_providers.c.id)
        .join(federation_protocols, federation_protocols.c.idp_id == identity_providers.c.id)
        .where(
            identity_providers.c.id == facts.idp_id,
            identity_providers.c.enabled,
            federation_protocols.c.id == facts.protocol_id,
        )
    )
    if tx.row(wanted) is None:
        raise Unauthenticated("The request you have made requires authentication.")
    body = {
        "groups": [{"id": group_id} for group_id in facts.groups],
        "identity_provider": {"id": facts.idp_id},
        "protocol": {"id": facts.protocol_id},
    }
    return Delegation(user_body={"OS-FEDERATION": body, "password_expires_at": None})
