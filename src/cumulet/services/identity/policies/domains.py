"""Rules of domains and of their configuration."""

from __future__ import annotations

from cumulet.auth import Rule
from cumulet.services.identity.policies.checks import (
    ADMIN,
    ADMIN_OR_SYSTEM_READER,
    ANYBODY,
    CLOUD,
    EVERYWHERE,
    reader_of,
)

RULES = [
    Rule(
        "identity:get_domain",
        f"{ADMIN_OR_SYSTEM_READER} or token.domain.id:%(target.domain.id)s "
        "or token.project.domain.id:%(target.domain.id)s",
        scope_types=EVERYWHERE,
    ),
    Rule(
        "identity:list_domains", f"{ADMIN_OR_SYSTEM_READER} or {reader_of('target.domain.id')}", scope_types=EVERYWHERE
    ),
    *(
        Rule(f"identity:{verb}_{noun}", ADMIN, scope_types=CLOUD)
        for noun in ("domain", "domain_config")
        for verb in ("create", "update", "delete")
    ),
    Rule("identity:get_domain_config", ADMIN_OR_SYSTEM_READER, scope_types=CLOUD),
    Rule("identity:get_domain_config_default", ADMIN_OR_SYSTEM_READER, scope_types=CLOUD),
    Rule("identity:get_security_compliance_domain_config", ANYBODY, scope_types=EVERYWHERE),
]
