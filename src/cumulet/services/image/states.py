"""Status of an image and which may follow which.

queued ──upload begins──▶ saving ──all bytes are safe──▶ active ◀──▶ deactivated
   ▲                        │
   └──upload fails or dies──┘          every status ──▶ deleted
"""

from __future__ import annotations

QUEUED, SAVING, ACTIVE, DEACTIVATED, DELETED = "queued", "saving", "active", "deactivated", "deleted"

TRANSITIONS: dict[str, frozenset[str]] = {
    QUEUED: frozenset({SAVING, DELETED}),
    SAVING: frozenset({ACTIVE, QUEUED, DELETED}),
    ACTIVE: frozenset({DEACTIVATED, DELETED}),
    DEACTIVATED: frozenset({ACTIVE, DELETED}),
    DELETED: frozenset(),
}


def allowed(old: str, new: str) -> bool:
    """Whether `new` may follow `old`."""
    return new in TRANSITIONS[old]
