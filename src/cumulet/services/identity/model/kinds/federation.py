"""Tokens of users whom an identity provider knows: the groups that its mapping gave bring roles."""

from __future__ import annotations

from cumulet.auth import Unauthenticated
from cumulet.services.identity.model.kinds import Holding
from cumulet.services.identity.model.payloads import Payload
from cumulet.store import Transaction


def hold(tx: Transaction, payload: Payload) -> Holding:
    """What the token of `payload` is worth now. Raises `Unauthenticated`."""
    raise Unauthenticated
