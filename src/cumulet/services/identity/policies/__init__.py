"""Identity's policy: Keystone's rule names with its defaults.

Targets are flat mappings such as ``{"target.user.domain_id": …}``, made in `api/`. A rule that names a key which the
target lacks says no.
"""

from __future__ import annotations

from cumulet.auth import Rule
from cumulet.services.identity.policies import (
    application_credentials,
    credentials,
    federation,
    oauth1,
    revocations,
    trusts,
)

_ADMIN = "rule:admin_required"
_SYSTEM = "(role:reader and system_scope:all)"
_ADMIN_OR_SYSTEM = f"{_ADMIN} or {_SYSTEM}"
_ANYBODY = "@"


def _reader(*keys: str) -> str:
    """Readers of the domain that one of `keys` of the target names."""
    return " or ".join(f"(role:reader and domain_id:%({key})s)" for key in keys)


def _manager(key: str) -> str:
    return f"{_ADMIN} or (role:manager and domain_id:%({key})s)"


_SUBJECT = "user_id:%(target.token.user_id)s"

_ROLE_VISIBLE = "(domain_id:%(target.role.domain_id)s or None:%(target.role.domain_id)s)"
_MANAGEABLE_ROLE = "('manager':%(target.role.name)s or 'member':%(target.role.name)s or 'reader':%(target.role.name)s)"


def _same_domain(role: str) -> str:
    pairs = [
        f"(domain_id:%({actor})s and domain_id:%({target})s)"
        for actor in ("target.user.domain_id", "target.group.domain_id")
        for target in ("target.project.domain_id", "target.domain.id")
    ]
    return f"role:{role} and ({' or '.join(pairs)})"


_GRANT_READ = f"{_ADMIN_OR_SYSTEM} or ({_same_domain('reader')} and {_ROLE_VISIBLE})"
_GRANT_LIST = f"{_ADMIN_OR_SYSTEM} or ({_same_domain('reader')})"
_GRANT_WRITE = f"{_ADMIN} or ({_same_domain('manager')} and {_MANAGEABLE_ROLE})"


def _nouns() -> list[Rule]:
    """Rules of nouns that only administrators change and system readers see."""
    rules = []
    for one, many, read in (
        ("service", "services", _ADMIN_OR_SYSTEM),
        ("endpoint", "endpoints", _ADMIN_OR_SYSTEM),
        ("region", "regions", _ANYBODY),
        ("domain_role", "domain_roles", _ADMIN_OR_SYSTEM),
    ):
        rules += [Rule(f"identity:get_{one}", read), Rule(f"identity:list_{many}", read)]
        rules += [Rule(f"identity:{verb}_{one}", _ADMIN) for verb in ("create", "update", "delete")]
    return rules


RULES = [
    Rule("service_role", "role:service"),
    Rule("token_subject", _SUBJECT),
    Rule("identity:validate_token", f"{_ADMIN_OR_SYSTEM} or rule:service_role or rule:token_subject"),
    Rule("identity:check_token", f"{_ADMIN_OR_SYSTEM} or rule:service_role or rule:token_subject"),
    Rule("identity:revoke_token", f"{_ADMIN} or rule:token_subject"),
    Rule("identity:get_auth_catalog", _ANYBODY),
    Rule("identity:get_auth_projects", _ANYBODY),
    Rule("identity:get_auth_domains", _ANYBODY),
    Rule("identity:get_auth_system", _ANYBODY),
    Rule(
        "identity:get_user",
        f"{_ADMIN_OR_SYSTEM} or {_reader('target.user.domain_id')} or user_id:%(target.user.id)s",
    ),
    Rule("identity:list_users", f"{_ADMIN_OR_SYSTEM} or {_reader('target.domain_id')}"),
    Rule("identity:create_user", _manager("target.user.domain_id")),
    Rule("identity:update_user", _manager("target.user.domain_id")),
    Rule("identity:delete_user", _manager("target.user.domain_id")),
    Rule(
        "identity:list_user_projects",
        f"{_ADMIN_OR_SYSTEM} or {_reader('target.user.domain_id')} or user_id:%(target.user.id)s",
    ),
    Rule(
        "identity:list_groups_for_user",
        f"{_ADMIN_OR_SYSTEM} or {_reader('target.user.domain_id')} or user_id:%(target.user.id)s",
    ),
    Rule(
        "identity:get_project",
        f"{_ADMIN_OR_SYSTEM} or {_reader('target.project.domain_id')} or project_id:%(target.project.id)s",
    ),
    Rule("identity:list_projects", f"{_ADMIN_OR_SYSTEM} or {_reader('target.domain_id')}"),
    Rule("identity:create_project", _manager("target.project.domain_id")),
    Rule("identity:update_project", _manager("target.project.domain_id")),
    Rule("identity:delete_project", _manager("target.project.domain_id")),
    Rule(
        "identity:get_domain",
        f"{_ADMIN_OR_SYSTEM} or domain_id:%(target.domain.id)s or project_domain_id:%(target.domain.id)s",
    ),
    Rule("identity:list_domains", f"{_ADMIN_OR_SYSTEM} or {_reader('target.domain.id')}"),
    Rule("identity:create_domain", _ADMIN),
    Rule("identity:update_domain", _ADMIN),
    Rule("identity:delete_domain", _ADMIN),
    Rule("identity:get_group", f"{_ADMIN_OR_SYSTEM} or {_reader('target.group.domain_id')}"),
    Rule("identity:list_groups", f"{_ADMIN_OR_SYSTEM} or {_reader('target.group.domain_id')}"),
    Rule("identity:create_group", _manager("target.group.domain_id")),
    Rule("identity:update_group", _manager("target.group.domain_id")),
    Rule("identity:delete_group", _manager("target.group.domain_id")),
    Rule("identity:list_users_in_group", f"{_ADMIN_OR_SYSTEM} or {_reader('target.group.domain_id')}"),
    *(
        Rule(
            f"identity:{verb}_user_{where}_group",
            f"{_ADMIN} or (role:manager and domain_id:%(target.group.domain_id)s "
            "and domain_id:%(target.user.domain_id)s)",
        )
        for verb, where in (("add", "to"), ("remove", "from"))
    ),
    Rule(
        "identity:check_user_in_group",
        f"{_ADMIN_OR_SYSTEM} or (role:reader and domain_id:%(target.group.domain_id)s "
        "and domain_id:%(target.user.domain_id)s)",
    ),
    Rule("identity:get_role", f"{_ADMIN_OR_SYSTEM} or role:manager"),
    Rule("identity:list_roles", f"{_ADMIN_OR_SYSTEM} or role:manager"),
    Rule("identity:create_role", _ADMIN),
    Rule("identity:update_role", _ADMIN),
    Rule("identity:delete_role", _ADMIN),
    Rule("identity:list_implied_roles", _ADMIN_OR_SYSTEM),
    Rule("identity:get_implied_role", _ADMIN_OR_SYSTEM),
    Rule("identity:check_implied_role", _ADMIN_OR_SYSTEM),
    Rule("identity:create_implied_role", _ADMIN),
    Rule("identity:delete_implied_role", _ADMIN),
    Rule("identity:list_role_inference_rules", _ADMIN_OR_SYSTEM),
    Rule("identity:check_grant", _GRANT_READ),
    Rule("identity:list_grants", _GRANT_LIST),
    Rule("identity:create_grant", _GRANT_WRITE),
    Rule("identity:revoke_grant", _GRANT_WRITE),
    *(
        Rule(f"identity:{verb}_system_grant{many}_for_{actor}", check)
        for actor in ("user", "group")
        for verb, many, check in (
            ("list", "s", _ADMIN_OR_SYSTEM),
            ("check", "", _ADMIN_OR_SYSTEM),
            ("create", "", _ADMIN),
            ("revoke", "", _ADMIN),
        )
    ),
    Rule("identity:list_role_assignments", f"{_ADMIN_OR_SYSTEM} or {_reader('target.domain_id')}"),
    Rule("identity:list_role_assignments_for_tree", f"{_ADMIN} or project_id:%(target.project.id)s"),
    *_nouns(),
    *federation.RULES,
    *revocations.RULES,
    *credentials.RULES,
    *application_credentials.RULES,
    *trusts.RULES,
    *oauth1.RULES,
]
