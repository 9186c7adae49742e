"""Which sources a token has."""

from __future__ import annotations

from collections.abc import Callable

from cumulet.db import Transaction
from cumulet.services.identity.model.payloads import PLAIN, Payload
from cumulet.services.identity.model.token_sources import (
    Delegation,
    access_token,
    application_credential,
    federation,
    trust,
)

Hold = Callable[[Transaction, Payload], Delegation]

KINDS: dict[str, Hold] = {
    "trust_id": trust.hold,
    "application_credential_id": application_credential.hold,
    "access_token_id": access_token.hold,
    "idp_id": federation.hold,
}
"""Fact → what holds such a token."""


def delegations(tx: Transaction, payload: Payload) -> list[Delegation]:
    """What each kind of the token makes of it; empty for most. Raises `Unauthenticated`."""
    if payload.facts == PLAIN:
        return []
    return [hold(tx, payload) for fact, hold in KINDS.items() if getattr(payload.facts, fact)]
