"""Rules of application credentials and of access rules."""

from __future__ import annotations

from cumulet.auth import Rule

_ADMIN = "rule:admin_required"
_SYSTEM = "(role:reader and system_scope:all)"
_OWNER = "user_id:%(user_id)s"
_USER = "user_id:%(target.user.id)s"
_SCOPES = ("system", "project")

RULES = [
    Rule(
        "identity:get_application_credential",
        f"{_ADMIN} or {_SYSTEM} or {_OWNER}",
        "Show an application credential.",
        _SCOPES,
    ),
    Rule(
        "identity:list_application_credentials",
        f"{_ADMIN} or {_SYSTEM} or {_OWNER}",
        "List the application credentials of a user.",
        _SCOPES,
    ),
    Rule("identity:create_application_credential", _OWNER, "Create an application credential.", ("project",)),
    Rule(
        "identity:delete_application_credential",
        f"{_ADMIN} or {_OWNER}",
        "Delete an application credential.",
        _SCOPES,
    ),
    Rule("identity:get_access_rule", f"{_SYSTEM} or {_USER}", "Show an access rule.", _SCOPES),
    Rule("identity:list_access_rules", f"{_SYSTEM} or {_USER}", "List the access rules of a user.", _SCOPES),
    Rule(
        "identity:delete_access_rule",
        f"(role:admin and system_scope:all) or {_USER}",
        "Delete an access rule.",
        _SCOPES,
    ),
]
