"""By a code of the moment from the user's generator (RFC 6238)."""

from __future__ import annotations

from typing import Any

from cumulet.http.faults import Unauthorized
from cumulet.services.identity.model.methods import Attempt, Proof


def prove(attempt: Attempt, block: Any) -> Proof:
    """Whose proof it is. Raises `Unauthenticated`."""
    raise Unauthorized("Attempted to authenticate with an unsupported method.")
