"""Rules of limits and registered limits."""

from __future__ import annotations

from cumulet.auth import Rule
from cumulet.services.identity.policies.checks import ADMIN, ADMIN_OR_SYSTEM_READER, ANYBODY, CLOUD, EVERYWHERE

RULES = [
    *(
        Rule(f"identity:{name}", ANYBODY, scope_types=EVERYWHERE)
        for name in ("get_registered_limit", "list_registered_limits", "get_limit_model", "list_limits")
    ),
    Rule(
        "identity:get_limit",
        f"{ADMIN_OR_SYSTEM_READER} or (domain_id:%(target.limit.domain.id)s "
        "or domain_id:%(target.limit.project.domain_id)s) or (project_id:%(target.limit.project_id)s "
        "and not None:%(target.limit.project_id)s)",
        scope_types=EVERYWHERE,
    ),
    *(
        Rule(f"identity:{name}", ADMIN, scope_types=CLOUD)
        for name in (
            "create_registered_limits",
            "update_registered_limit",
            "delete_registered_limit",
            "create_limits",
            "update_limit",
            "delete_limit",
        )
    ),
]
