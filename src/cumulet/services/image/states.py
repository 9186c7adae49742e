"""Status of an image and which may follow which.

queued ──upload begins──▶ saving ────────all bytes are safe────────▶ active ◀──▶ deactivated
 │ ▲ ▲                      │                                          ▲
 │ │ └──upload fails, dies──┘                                          │
 │ └───────fails, dies─────┬────────────────┐                          │
 ├──stage──▶ uploading ────┴──import──▶ importing ──all bytes are safe─┘
 └─────────────────import─────────────────▲             every status ──▶ deleted
"""

from __future__ import annotations

QUEUED, SAVING, UPLOADING, IMPORTING = "queued", "saving", "uploading", "importing"
ACTIVE, DEACTIVATED, DELETED = "active", "deactivated", "deleted"

TRANSITIONS: dict[str, frozenset[str]] = {
    QUEUED: frozenset({SAVING, UPLOADING, IMPORTING, DELETED}),
    SAVING: frozenset({ACTIVE, QUEUED, DELETED}),
    UPLOADING: frozenset({IMPORTING, QUEUED, DELETED}),
    IMPORTING: frozenset({ACTIVE, QUEUED, DELETED}),
    ACTIVE: frozenset({DEACTIVATED, DELETED}),
    DEACTIVATED: frozenset({ACTIVE, DELETED}),
    DELETED: frozenset(),
}


def allowed(old: str, new: str) -> bool:
    """Whether `new` may follow `old`."""
    return new in TRANSITIONS[old]
