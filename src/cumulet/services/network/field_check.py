"""Neutron's own kind of check in rules of policy, which compares an attribute of the target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from oslo_policy import _checks

from cumulet.patterns import Pattern


class FieldCheck(_checks.Check):
    """``field:networks:shared=True`` or ``field:port:device_owner=~^network:``: an attribute of the target."""

    def __init__(self, kind: str, match: str) -> None:
        super().__init__(kind, match)
        _resource, _, rest = match.partition(":")
        self.field, _, value = rest.partition("=")
        self.pattern = Pattern(value[1:]) if value.startswith("~") else None
        self.value = value

    def __call__(self, target: Mapping[str, Any], _creds: Mapping[str, Any], *_rest: Any) -> bool:
        found = target.get(self.field)
        if found is None:
            return False
        if self.pattern is not None:
            return self.pattern.match(str(found))
        return str(found) == self.value


_checks.registered_checks["field"] = FieldCheck
