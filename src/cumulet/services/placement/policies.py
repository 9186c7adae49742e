"""Placement's policy rules, under its own names and with the defaults of its newest release: for administrators and
for services. Reshaping is for services alone; a project's readers see what their project uses."""

from __future__ import annotations

from cumulet.auth import Rule

_SERVICE = "rule:admin_or_service_api"
_TABLE = {
    "placement:resource_classes": ("list", "create", "show", "update", "delete"),
    "placement:resource_providers:inventories": ("list", "create", "show", "update", "delete"),
    "placement:resource_providers:aggregates": ("list", "update"),
    "placement:resource_providers:traits": ("list", "update", "delete"),
    "placement:resource_providers:allocations": ("list",),
    "placement:resource_providers": ("list", "create", "show", "update", "delete", "usages"),
    "placement:traits": ("list", "show", "update", "delete"),
    "placement:allocations": ("manage", "list", "update", "delete"),
    "placement:allocation_candidates": ("list",),
}

RULES = [
    Rule("service_api", "role:service", "Default rule for what services ask of each other"),
    Rule("admin_or_service_api", "role:admin or role:service", "Default rule for most of placement"),
    Rule("admin_or_project_reader_or_service_api", "role:admin or rule:project_reader_api or role:service"),
    *(Rule(f"{noun}:{verb}", _SERVICE) for noun, verbs in _TABLE.items() for verb in verbs),
    Rule("placement:reshaper:reshape", "rule:service_api", "Reshape inventory and allocations"),
    Rule(
        "placement:usages",
        "rule:admin_or_project_reader_or_service_api",
        "List total resource usages of a project",
    ),
]
