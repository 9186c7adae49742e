"""Rules of grants. Who manages a domain grants there what Keystone lets a manager grant, and never `admin`."""

from __future__ import annotations

from cumulet.auth import Rule
from cumulet.services.identity.policies.checks import (
    ADMIN,
    ADMIN_OR_SYSTEM_READER,
    CLOUD,
    EVERYWHERE,
    SYSTEM_READER,
)


def _within(role: str) -> str:
    """Who has `role` in the domain of both the actor and the target."""
    pairs = [
        f"(role:{role} and domain_id:%({actor})s and domain_id:%({target})s)"
        for actor in ("target.user.domain_id", "target.group.domain_id")
        for target in ("target.project.domain_id", "target.domain.id")
    ]
    return " or ".join(pairs)


_ROLE_WITHIN = "(domain_id:%(target.role.domain_id)s or None:%(target.role.domain_id)s)"
_MANAGED = f"rule:domain_managed_target_role and {_ROLE_WITHIN}"
_CHANGED = f"{ADMIN} or ({_within('admin')}) and {_ROLE_WITHIN} or ({_within('manager')}) and {_MANAGED}"

RULES = [
    Rule(
        "identity:check_grant",
        f"{ADMIN} or ({SYSTEM_READER} or ({_within('reader')}) and {_ROLE_WITHIN})",
        scope_types=EVERYWHERE,
    ),
    Rule("identity:list_grants", f"{ADMIN} or ({SYSTEM_READER} or {_within('reader')})", scope_types=EVERYWHERE),
    Rule("identity:create_grant", _CHANGED, scope_types=EVERYWHERE),
    Rule("identity:revoke_grant", _CHANGED, scope_types=EVERYWHERE),
    *(
        Rule(f"identity:{verb}_for_{actor}", check, scope_types=CLOUD)
        for actor in ("user", "group")
        for verb, check in (
            ("list_system_grants", ADMIN_OR_SYSTEM_READER),
            ("check_system_grant", ADMIN_OR_SYSTEM_READER),
            ("create_system_grant", ADMIN),
            ("revoke_system_grant", ADMIN),
        )
    ),
]
