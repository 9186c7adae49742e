"""Events that end tokens before their time, as ``GET /v3/OS-REVOKE/events`` lists them.

Two kinds decide here: by a token's audit id, and by that of a chain's first token (what was made from it). The others
(a user, a project, a domain) are told for those who read the list; their tokens end by the rows' own state and epochs.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from sqlalchemy import bindparam, or_, select

from cumulet.db import Prepared, Transaction, select_as
from cumulet.services.identity.model import generation
from cumulet.services.identity.model.payloads import Payload
from cumulet.services.identity.tables import RevocationRow, revocations

SECOND = 1_000_000
LONGEST_LIFE_S = 30 * 86400 + 48 * 3600
"""Longer than any token lives (`config.token_seconds` and the window for expired ones): then an event is forgotten."""


def record(tx: Transaction, *, forget_at: int | None = None, **whom: str) -> None:
    """Tokens of `whom` (`audit_id`, `audit_chain_id`, `user_id`, `project_id`, `domain_id`) issued until now are over.
    Forgets old events. The caller bumps the generation, unless it is by audit."""
    tx.delete(revocations, revocations.c.forget_at < tx.now)
    ends = {"revoked_at": tx.now, "forget_at": forget_at or tx.now + LONGEST_LIFE_S * SECOND}
    tx.insert(revocations, {"id": uuid.uuid4().hex, **whom, **ends})


def revoke(tx: Transaction, payload: Payload, *, forget_at: int, cascade: bool) -> None:
    """The token of `payload` is worth nothing from now on; with `cascade`, nor is what was made from it."""
    record(tx, audit_id=payload.audit_ids[0], forget_at=forget_at)
    if cascade:
        record(tx, audit_chain_id=payload.audit_ids[0], forget_at=forget_at)
    generation.bump(tx)


_FITS = Prepared(
    select(revocations.c.id).where(
        or_(
            revocations.c.audit_id == bindparam("own"),
            revocations.c.audit_chain_id == bindparam("chain"),
        )
    )
)


def is_revoked(tx: Transaction, payload: Payload) -> bool:
    """Whether the token itself, or the chain that it is of, has been revoked. One query."""
    return tx.row(_FITS, {"own": payload.audit_ids[0], "chain": payload.audit_ids[-1]}) is not None


def browse(tx: Transaction, since: int | None) -> Sequence[RevocationRow]:
    """Events, the oldest first; those after `since` (µs) when given. One query."""
    wanted = select_as(RevocationRow).order_by(revocations.c.revoked_at, revocations.c.id)
    return tx.rows(wanted if since is None else wanted.where(revocations.c.revoked_at > since))
