"""Rules of the catalog: services, endpoints, regions, and which endpoints a project sees."""

from __future__ import annotations

from cumulet.auth import Rule
from cumulet.services.identity.policies.checks import (
    ADMIN,
    ADMIN_OR_SYSTEM_READER,
    ANYBODY,
    CLOUD,
    EVERYWHERE,
    cloud_rules,
)

RULES = [
    *cloud_rules("service", "services"),
    *cloud_rules("endpoint", "endpoints"),
    Rule("identity:get_region", ANYBODY, scope_types=EVERYWHERE),
    Rule("identity:list_regions", ANYBODY, scope_types=EVERYWHERE),
    *(Rule(f"identity:{verb}_region", ADMIN, scope_types=CLOUD) for verb in ("create", "update", "delete")),
    *cloud_rules("endpoint_group", "endpoint_groups"),
    *(
        Rule(f"identity:{name}", ADMIN_OR_SYSTEM_READER, scope_types=CLOUD)
        for name in (
            "list_projects_associated_with_endpoint_group",
            "list_endpoints_associated_with_endpoint_group",
            "get_endpoint_group_in_project",
            "list_endpoint_groups_for_project",
            "list_projects_for_endpoint",
            "check_endpoint_in_project",
            "list_endpoints_for_project",
        )
    ),
    *(
        Rule(f"identity:{name}", ADMIN, scope_types=CLOUD)
        for name in (
            "add_endpoint_group_to_project",
            "remove_endpoint_group_from_project",
            "add_endpoint_to_project",
            "remove_endpoint_from_project",
        )
    ),
]
