"""Rules of OAuth 1.0a: consumers, and what users have authorized them for."""

from __future__ import annotations

from cumulet.auth import Rule
from cumulet.services.identity.policies.checks import CLOUD

_ADMIN = "rule:admin_required"
_READ = f"{_ADMIN} or (role:reader and system_scope:all)"
_PROJECT = ("project",)

RULES = [
    Rule("identity:get_consumer", _READ, "Show a consumer.", CLOUD),
    Rule("identity:list_consumers", _READ, "List consumers.", CLOUD),
    Rule("identity:create_consumer", _ADMIN, "Create a consumer.", CLOUD),
    Rule("identity:update_consumer", _ADMIN, "Update a consumer.", CLOUD),
    Rule("identity:delete_consumer", _ADMIN, "Delete a consumer.", CLOUD),
    Rule("identity:authorize_request_token", _ADMIN, "Authorize a request token.", _PROJECT),
    Rule("identity:get_access_token", _ADMIN, "Show an access token.", _PROJECT),
    Rule("identity:list_access_tokens", _ADMIN, "List the access tokens of a user.", _PROJECT),
    Rule("identity:delete_access_token", _ADMIN, "Delete an access token.", _PROJECT),
    Rule("identity:list_access_token_roles", _ADMIN, "List the roles of an access token.", _PROJECT),
    Rule("identity:get_access_token_role", _ADMIN, "Show a role of an access token.", _PROJECT),
]
