"""What the checks of identity's rules are made of: Keystone's personas, and the scopes their rules are for."""

from __future__ import annotations

from collections.abc import Iterable

from cumulet.auth import Rule

ADMIN = "rule:admin_required"
SYSTEM_READER = "(role:reader and system_scope:all)"
ADMIN_OR_SYSTEM_READER = f"{ADMIN} or {SYSTEM_READER}"
ANYBODY = ""

EVERYWHERE = ("system", "domain", "project")
CLOUD = ("system", "default_domain", "project")
"""Nouns of the whole cloud: what an administrator of one domain must not change, unless it is the first one."""


def reader_of(*keys: str) -> str:
    """Readers of the domain that each of `keys` of the target names."""
    return _persona("reader", keys)


def manager_of(*keys: str) -> str:
    """Managers of the domain that each of `keys` of the target names."""
    return _persona("manager", keys)


def _persona(role: str, keys: Iterable[str]) -> str:
    return f"(role:{role} and {' and '.join(f'domain_id:%({key})s' for key in keys)})"


def cloud_rules(one: str, many: str, *, verbs: Iterable[str] = ("create", "update", "delete")) -> list[Rule]:
    """Rules of a noun that only administrators change and readers of the system see too."""
    seen = [f"identity:get_{one}", f"identity:list_{many}"]
    return [Rule(name, ADMIN_OR_SYSTEM_READER, scope_types=CLOUD) for name in seen] + [
        Rule(f"identity:{verb}_{one}", ADMIN, scope_types=CLOUD) for verb in verbs
    ]


SHARED = [
    Rule("service_role", "role:service"),
    Rule("service_or_admin", f"{ADMIN} or rule:service_role"),
    Rule("owner", "user_id:%(user_id)s"),
    Rule("admin_or_owner", f"{ADMIN} or rule:owner"),
    Rule("token_subject", "user_id:%(target.token.user_id)s"),
    Rule("admin_or_token_subject", f"{ADMIN} or rule:token_subject"),
    Rule("service_admin_or_token_subject", "rule:service_or_admin or rule:token_subject"),
    Rule(
        "domain_managed_target_role",
        "'manager':%(target.role.name)s or 'member':%(target.role.name)s or 'reader':%(target.role.name)s",
    ),
]
