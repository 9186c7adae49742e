"""Tokens for a trust: what a trustor hands on to a trustee, for as long as the trustor has it."""

from __future__ import annotations

from cumulet.auth import Unauthenticated
from cumulet.services.identity.model.kinds import Holding, Scoped
from cumulet.services.identity.model.payloads import Payload
from cumulet.store import Transaction


def scope(tx: Transaction, user_id: str, trust_id: str) -> Scoped:
    """The scope of a token for the trust, of which it takes a use; `user_id` is who asks. Raises `Unauthenticated`."""
    raise Unauthenticated


def hold(tx: Transaction, payload: Payload) -> Holding:
    """What the token of `payload` is worth now. Raises `Unauthenticated`."""
    raise Unauthenticated
