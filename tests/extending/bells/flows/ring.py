"""Ringing: a bell rings for a while and is silent again, whatever becomes of the process meanwhile."""

from __future__ import annotations

from cumulet.db import Transaction
from cumulet.engine import Done, Engine, Flow, Outcome
from tests.extending.bells.model import bells
from tests.extending.bells.tables import BellRow
from tests.extending.bells.verbs.ring import RING

DEADLINE_S = 30.0


def register(engine: Engine) -> None:
    """Make the flow known; before anything starts one."""
    engine.register(RING.flow, {"ringing": _over}, _late)


def start(tx: Transaction, engine: Engine, row: BellRow, seconds: float) -> None:
    """The bell rings from now on. Raises 409 when it does."""
    bells.begin(tx, row, RING)
    engine.start(tx, RING.flow, row.id, "ringing", deadline_s=seconds + DEADLINE_S, after_s=seconds)


def _over(tx: Transaction, flow: Flow) -> Outcome:
    bells.end(tx, bells.get(tx, flow.subject), RING, "over")
    return Done()


def _late(tx: Transaction, flow: Flow) -> None:
    """Nobody came in time: it is silent all the same."""
    _over(tx, flow)
