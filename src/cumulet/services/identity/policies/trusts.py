"""Rules of trusts: the trustor makes and ends them, both sides see them."""

from __future__ import annotations

from cumulet.auth import Rule

_ADMIN = "rule:admin_required"
_SYSTEM = "(role:reader and system_scope:all)"
_TRUSTOR = "user_id:%(target.trust.trustor_user_id)s"
_TRUSTEE = "user_id:%(target.trust.trustee_user_id)s"
_SEE = f"{_ADMIN} or {_SYSTEM} or {_TRUSTOR} or {_TRUSTEE}"
_SCOPES = ("system", "project")

RULES = [
    Rule("identity:create_trust", _TRUSTOR, "Create a trust.", ("project",)),
    Rule("identity:list_trusts", f"{_ADMIN} or {_SYSTEM}", "List all trusts.", _SCOPES),
    Rule(
        "identity:list_trusts_for_trustor", f"{_ADMIN} or {_SYSTEM} or {_TRUSTOR}", "List a trustor's trusts.", _SCOPES
    ),
    Rule(
        "identity:list_trusts_for_trustee", f"{_ADMIN} or {_SYSTEM} or {_TRUSTEE}", "List a trustee's trusts.", _SCOPES
    ),
    Rule("identity:get_trust", _SEE, "Show a trust.", _SCOPES),
    Rule("identity:delete_trust", f"{_ADMIN} or {_TRUSTOR}", "Delete a trust.", _SCOPES),
    Rule("identity:list_roles_for_trust", _SEE, "List the roles of a trust.", _SCOPES),
    Rule("identity:get_role_for_trust", _SEE, "Show a role of a trust.", _SCOPES),
]
