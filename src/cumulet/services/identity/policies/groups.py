"""Rules of groups and of who is in them."""

from __future__ import annotations

from cumulet.auth import Rule
from cumulet.services.identity.policies.checks import (
    ADMIN,
    ADMIN_OR_SYSTEM_READER,
    EVERYWHERE,
    manager_of,
    reader_of,
)

_GROUP, _USER = "target.group.domain_id", "target.user.domain_id"
_SEEN = f"{ADMIN_OR_SYSTEM_READER} or {reader_of(_GROUP)}"

RULES = [
    Rule("identity:get_group", _SEEN, scope_types=EVERYWHERE),
    Rule("identity:list_groups", _SEEN, scope_types=EVERYWHERE),
    Rule("identity:list_users_in_group", _SEEN, scope_types=EVERYWHERE),
    Rule(
        "identity:list_groups_for_user",
        f"{ADMIN_OR_SYSTEM_READER} or {reader_of(_USER)} or user_id:%(user_id)s",
        scope_types=EVERYWHERE,
    ),
    *(
        Rule(f"identity:{verb}_group", f"{ADMIN} or {manager_of(_GROUP)}", scope_types=EVERYWHERE)
        for verb in ("create", "update", "delete")
    ),
    Rule(
        "identity:check_user_in_group",
        f"{ADMIN_OR_SYSTEM_READER} or {reader_of(_GROUP, _USER)}",
        scope_types=EVERYWHERE,
    ),
    *(
        Rule(f"identity:{verb}_group", f"{ADMIN} or {manager_of(_GROUP, _USER)}", scope_types=EVERYWHERE)
        for verb in ("add_user_to", "remove_user_from")
    ),
]
