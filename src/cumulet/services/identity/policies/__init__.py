"""Identity's policy: Keystone's rule names with its defaults, one module per noun.

Targets are flat mappings such as ``{"target.user.domain_id": …}``, made in `api/`. A rule that names a key which the
target lacks says no.
"""

from __future__ import annotations

from cumulet.auth import Rule
from cumulet.services.identity.policies import (
    application_credentials,
    catalog,
    checks,
    credentials,
    domains,
    federation,
    grants,
    groups,
    limits,
    oauth1,
    policies,
    projects,
    revocations,
    roles,
    tokens,
    trusts,
    users,
)

RULES: list[Rule] = [
    *checks.SHARED,
    *tokens.RULES,
    *users.RULES,
    *groups.RULES,
    *projects.RULES,
    *domains.RULES,
    *roles.RULES,
    *grants.RULES,
    *catalog.RULES,
    *policies.RULES,
    *limits.RULES,
    *federation.RULES,
    *revocations.RULES,
    *credentials.RULES,
    *application_credentials.RULES,
    *trusts.RULES,
    *oauth1.RULES,
]
