"""The generation of identity: one number that rises with each write that may change what a token is worth.

Whoever keeps something derived from identity's rows keeps the generation beside it, and throws both away when the
number has moved: so a change holds at once in every process. Never cache across a generation.

Asking for the number costs a query. A process that is the only one to write the database hears of each rise without
asking (`TOPIC` of its store's wake-ups, woken before the request that did it is answered): see `Tokens`.
"""

from __future__ import annotations

from sqlalchemy import select

from cumulet.db import Prepared, Transaction
from cumulet.services.identity.tables import generation

TOPIC = "identity generation"
_CURRENT = Prepared(select(generation.c.value))


def current(tx: Transaction) -> int:
    """The generation now; 0 before the first write."""
    return int(tx.scalar(_CURRENT) or 0)


def bump(tx: Transaction) -> None:
    """Raise the generation, in the transaction that changes something."""
    if not tx.update(generation, generation.c.id == 1, value=generation.c.value + 1):
        tx.insert(generation, {"id": 1, "value": 1})
    tx.wake(TOPIC)


def surpass(tx: Transaction, number: int) -> None:
    """Raise the generation above `number`: the rows have been replaced, and what was derived before counts no more."""
    if not tx.update(generation, generation.c.id == 1, value=number + 1):
        tx.insert(generation, {"id": 1, "value": number + 1})
    tx.wake(TOPIC)
