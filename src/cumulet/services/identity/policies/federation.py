"""Rules of federation: identity providers, protocols, mappings and service providers.

Authentication itself has no rule: whoever brings a valid assertion gets in.
"""

from __future__ import annotations

from cumulet.services.identity.policies.checks import cloud_rules

RULES = [
    *cloud_rules("identity_provider", "identity_providers"),
    *cloud_rules("protocol", "protocols"),
    *cloud_rules("mapping", "mappings"),
    *cloud_rules("service_provider", "service_providers"),
]
