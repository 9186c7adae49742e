"""Rules of roles, of domains' roles, of what roles imply, and of the list of assignments."""

from __future__ import annotations

from cumulet.auth import Rule
from cumulet.services.identity.policies.checks import (
    ADMIN,
    ADMIN_OR_SYSTEM_READER,
    CLOUD,
    EVERYWHERE,
    cloud_rules,
)

_ASSIGNED = (
    f"{ADMIN_OR_SYSTEM_READER} or (role:reader and domain_id:%(target.domain_id)s and not None:%(target.domain_id)s)"
)

RULES = [
    Rule(
        "identity:get_role",
        f"({ADMIN_OR_SYSTEM_READER}) or (role:manager and rule:domain_managed_target_role)",
        scope_types=EVERYWHERE,
    ),
    Rule(
        "identity:list_roles",
        f"({ADMIN_OR_SYSTEM_READER}) or (role:manager and not domain_id:None)",
        scope_types=EVERYWHERE,
    ),
    *(Rule(f"identity:{verb}_role", ADMIN, scope_types=CLOUD) for verb in ("create", "update", "delete")),
    *cloud_rules("domain_role", "domain_roles"),
    *cloud_rules("implied_role", "implied_roles", verbs=("create", "delete")),
    Rule("identity:check_implied_role", ADMIN_OR_SYSTEM_READER, scope_types=CLOUD),
    Rule("identity:list_role_inference_rules", ADMIN_OR_SYSTEM_READER, scope_types=CLOUD),
    Rule("identity:list_role_assignments", _ASSIGNED, scope_types=EVERYWHERE),
    Rule("identity:list_role_assignments_for_tree", _ASSIGNED, scope_types=EVERYWHERE),
]
