"""Placement's policy rules, under its own names: for administrators and for services, nobody else."""

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
    Rule("admin_or_service_api", "role:admin or role:service"),
    Rule(
        "admin_or_project_reader_or_service_api",
        "role:service or rule:project_reader_or_admin",
    ),
    *(Rule(f"{noun}:{verb}", _SERVICE) for noun, verbs in _TABLE.items() for verb in verbs),
    Rule("placement:usages", "rule:admin_or_project_reader_or_service_api", "List total resource usages of a project"),
]
