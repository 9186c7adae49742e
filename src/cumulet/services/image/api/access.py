"""Policy on a row that the handler has: who may not even see it is told that it is not there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cumulet.auth import Forbidden
from cumulet.http.call import Call
from cumulet.http.faults import NotFound


def require(call: Call, rule: str, target: Mapping[str, Any], *, see: str = "get_image") -> None:
    """Raise 403 unless the caller passes `rule`, and 404 when it does not pass `see` either."""
    if call.allows(rule, target):
        return
    if rule == see or not call.allows(see, target):
        raise NotFound("The resource could not be found.")
    raise Forbidden(rule)
