"""By whoever stands in front of this service and has authenticated the user already."""

from __future__ import annotations

from typing import Any

from cumulet.http.faults import Unauthorized
from cumulet.services.identity.model.methods import Attempt, Proof


def prove(attempt: Attempt, block: Any) -> Proof:
    """Whose proof it is. Raises `Unauthenticated`."""
    raise Unauthorized("Attempted to authenticate with an unsupported method.")
