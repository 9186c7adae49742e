"""Tokens made by an access token of OAuth1: the roles that its user authorised, as far as the user still has them."""

from __future__ import annotations

from cumulet.auth import Unauthenticated
from cumulet.services.identity.model.kinds import Holding
from cumulet.services.identity.model.payloads import Payload
from cumulet.store import Transaction


def hold(tx: Transaction, payload: Payload) -> Holding:
    """What the token of `payload` is worth now. Raises `Unauthenticated`."""
    raise Unauthenticated
