"""Resource options: the few switches that Keystone keeps per user, role, project and domain, and what `immutable` bars.

An unknown option is refused; None takes an option away.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from cumulet.http.faults import BadRequest, NotAllowed
from cumulet.services.identity.tables import ProjectRow, RoleRow, UserRow

Guarded = UserRow | ProjectRow | RoleRow
IMMUTABLE = "immutable"
FOR_RESOURCES = frozenset({IMMUTABLE})
MFA_RULES = "multi_factor_auth_rules"
FOR_USERS = frozenset(
    {
        "ignore_change_password_upon_first_use",
        "ignore_password_expiry",
        "ignore_lockout_failure_attempts",
        "ignore_user_inactivity",
        "lock_password",
        "multi_factor_auth_enabled",
        MFA_RULES,
    }
)


def merged(old: Mapping[str, Any], asked: Mapping[str, Any], allowed: Collection[str]) -> dict[str, Any]:
    """`old` with what was asked for. Raises 400."""
    options = dict(old)
    for name, value in asked.items():
        if name not in allowed:
            raise BadRequest(
                f"Invalid input for field 'options': Additional properties are not allowed ({name!r} was unexpected)"
            )
        if value is None:
            options.pop(name, None)
            continue
        if name == MFA_RULES:
            fits, kind = _are_rules(value), "array"
        else:
            fits, kind = isinstance(value, bool), "boolean"
        if not fits:
            raise BadRequest(f"Invalid input for field 'options/{name}': {value!r} is not of type '{kind}'")
        options[name] = value
    return options


def _are_rules(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(rule, list) and rule and all(isinstance(method, str) for method in rule) for rule in value
    )


def check_update(noun: str, row: Guarded, asked: Mapping[str, Any]) -> None:
    """Raise 403 when the row is immutable and the request does more than lift that."""
    lifts = asked.get("options") and asked["options"].get(IMMUTABLE, True) in (False, None)
    if row.options.get(IMMUTABLE) and not lifts:
        raise _barred("update", noun, row)


def check_delete(noun: str, row: Guarded) -> None:
    """Raise 403 when the row is immutable."""
    if row.options.get(IMMUTABLE):
        raise _barred("delete", noun, row)


def _barred(verb: str, noun: str, row: Guarded) -> NotAllowed:
    return NotAllowed(
        f'Unable to {verb} immutable {noun} resource: `{row.id}. Set resource option "immutable" to false first.'
    )
