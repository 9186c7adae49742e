"""Rules of federation: identity providers, protocols, mappings and service providers.

Authentication itself has no rule: whoever brings a valid assertion gets in.
"""

from __future__ import annotations

from cumulet.auth import Rule

_ADMIN = "rule:admin_required"
_READ = f"{_ADMIN} or (role:reader and system_scope:all)"


def _noun(one: str, many: str) -> list[Rule]:
    reading = [Rule(f"identity:get_{one}", _READ), Rule(f"identity:list_{many}", _READ)]
    return reading + [Rule(f"identity:{verb}_{one}", _ADMIN) for verb in ("create", "update", "delete")]


RULES = [
    *_noun("identity_provider", "identity_providers"),
    *_noun("protocol", "protocols"),
    *_noun("mapping", "mappings"),
    *_noun("service_provider", "service_providers"),
]
