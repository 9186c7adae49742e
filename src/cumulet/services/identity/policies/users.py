"""Rules of users."""

from __future__ import annotations

from cumulet.auth import Rule
from cumulet.services.identity.policies.checks import ADMIN, ADMIN_OR_SYSTEM_READER, EVERYWHERE, reader_of

_MANAGER = f"{ADMIN} or (role:manager and token.domain.id:%(target.user.domain_id)s)"

RULES = [
    Rule(
        "identity:get_user",
        f"{ADMIN_OR_SYSTEM_READER} or (role:reader and token.domain.id:%(target.user.domain_id)s) "
        "or user_id:%(target.user.id)s",
        scope_types=EVERYWHERE,
    ),
    Rule("identity:list_users", f"{ADMIN_OR_SYSTEM_READER} or {reader_of('target.domain_id')}", scope_types=EVERYWHERE),
    Rule("identity:revoke_tokens_for_user", "rule:admin_or_owner", "End all tokens of a user.", EVERYWHERE),
    *(Rule(f"identity:{verb}_user", _MANAGER, scope_types=EVERYWHERE) for verb in ("create", "update", "delete")),
]
