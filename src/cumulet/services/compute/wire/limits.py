"""Shapes of limits."""

from __future__ import annotations

from cumulet.http.bodies import Query, Record, until

_NETWORK = (
    "maxTotalFloatingIps",
    "maxSecurityGroups",
    "maxSecurityGroupRules",
    "totalFloatingIpsUsed",
    "totalSecurityGroupsUsed",
)
_ABSOLUTE = Record(
    "AbsoluteLimits",
    {
        "maxTotalInstances": int,
        "maxTotalCores": int,
        "maxTotalRAMSize": int,
        "maxTotalKeypairs": int,
        "maxServerMeta": int,
        "maxServerGroups": int,
        "maxServerGroupMembers": int,
        "totalInstancesUsed": int,
        "totalCoresUsed": int,
        "totalRAMUsed": int,
        "totalServerGroupsUsed": int,
        **dict.fromkeys(_NETWORK, until("2.35", int)),
        "maxImageMeta": until("2.38", int),
        "maxPersonality": until("2.56", int),
        "maxPersonalitySize": until("2.56", int),
    },
)
LIMITS = Record("Limits", {"rate": list, "absolute": _ABSOLUTE})
QUERY = Query({"tenant_id": str})
