"""Rules of tokens, and of what a token gives access to."""

from __future__ import annotations

from cumulet.auth import Rule
from cumulet.services.identity.policies.checks import ADMIN_OR_SYSTEM_READER, ANYBODY, EVERYWHERE

RULES = [
    Rule("identity:check_token", f"{ADMIN_OR_SYSTEM_READER} or rule:token_subject", scope_types=EVERYWHERE),
    Rule(
        "identity:validate_token",
        f"{ADMIN_OR_SYSTEM_READER} or rule:service_role or rule:token_subject",
        scope_types=EVERYWHERE,
    ),
    Rule("identity:revoke_token", "rule:admin_or_token_subject", scope_types=EVERYWHERE),
    Rule("identity:get_auth_catalog", ANYBODY),
    Rule("identity:get_auth_projects", ANYBODY),
    Rule("identity:get_auth_domains", ANYBODY),
    Rule("identity:get_auth_system", ANYBODY),
]
