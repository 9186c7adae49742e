"""Shape of revocation events."""

from __future__ import annotations

from typing import Any

from cumulet.db import iso
from cumulet.http.bodies import Query, Record, optional
from cumulet.services.identity.tables import RevocationRow

_WHOM = ("audit_id", "audit_chain_id", "user_id", "project_id", "domain_id")


def shown(row: RevocationRow) -> dict[str, Any]:
    """An event as Keystone shows it: what it names, and which tokens it ends."""
    at = iso(row.revoked_at, micro=True)
    return {key: getattr(row, key) for key in _WHOM if getattr(row, key)} | {"issued_before": at, "revoked_at": at}


EVENT = Record(
    "RevocationEvent",
    {**dict.fromkeys(_WHOM, optional(str)), "issued_before": str, "revoked_at": str},
)
QUERY = Query({"since": str})
