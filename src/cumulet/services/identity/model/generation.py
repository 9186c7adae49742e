"""The generation of identity: one number that rises with each write that may change what a token is worth.

Whoever keeps something derived from identity's rows keeps the generation beside it, and throws both away when the
number has moved: so a change holds at once in every process. Never cache across a generation.
"""

from __future__ import annotations

from sqlalchemy import select

from cumulet.services.identity.tables import generation
from cumulet.store import Prepared, Transaction

_CURRENT = Prepared(select(generation.c.value))


def current(tx: Transaction) -> int:
    """The generation now; 0 before the first write."""
    return int(tx.scalar(_CURRENT) or 0)


def bump(tx: Transaction) -> None:
    """Raise the generation, in the transaction that changes something."""
    if not tx.update(generation, generation.c.id == 1, value=generation.c.value + 1):
        tx.insert(generation, {"id": 1, "value": 1})
