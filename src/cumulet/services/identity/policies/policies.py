"""Rules of policies, which other services' rules may be kept in, and of what they are for."""

from __future__ import annotations

from cumulet.auth import Rule
from cumulet.services.identity.policies.checks import ADMIN, ADMIN_OR_SYSTEM_READER, CLOUD, cloud_rules

RULES = [
    *cloud_rules("policy", "policies"),
    *(
        Rule(f"identity:{verb}_policy_association_for_{what}", check, scope_types=CLOUD)
        for what in ("endpoint", "service", "region_and_service")
        for verb, check in (("create", ADMIN), ("check", ADMIN_OR_SYSTEM_READER), ("delete", ADMIN))
    ),
    Rule("identity:get_policy_for_endpoint", ADMIN_OR_SYSTEM_READER, scope_types=CLOUD),
    Rule("identity:list_endpoints_for_policy", ADMIN_OR_SYSTEM_READER, scope_types=CLOUD),
]
