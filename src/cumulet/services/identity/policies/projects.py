"""Rules of projects and their tags."""

from __future__ import annotations

from cumulet.auth import Rule
from cumulet.services.identity.policies.checks import (
    ADMIN,
    ADMIN_OR_SYSTEM_READER,
    EVERYWHERE,
    reader_of,
)

_WITHIN = "domain_id:%(target.project.domain_id)s and not None:%(target.project.domain_id)s"
_SEEN = f"{ADMIN_OR_SYSTEM_READER} or (role:reader and {_WITHIN}) or project_id:%(target.project.id)s"
_CHANGED = f"{ADMIN} or (role:manager and {_WITHIN})"

RULES = [
    Rule(
        "identity:list_projects", f"{ADMIN_OR_SYSTEM_READER} or {reader_of('target.domain_id')}", scope_types=EVERYWHERE
    ),
    Rule(
        "identity:list_user_projects",
        f"{ADMIN_OR_SYSTEM_READER} or {reader_of('target.user.domain_id')} or user_id:%(target.user.id)s",
        scope_types=EVERYWHERE,
    ),
    *(
        Rule(f"identity:{name}", _SEEN, scope_types=EVERYWHERE)
        for name in ("get_project", "list_project_tags", "get_project_tag")
    ),
    *(
        Rule(f"identity:{name}", _CHANGED, scope_types=EVERYWHERE)
        for name in (
            "create_project",
            "update_project",
            "delete_project",
            "create_project_tag",
            "update_project_tags",
            "delete_project_tag",
            "delete_project_tags",
        )
    ),
]
