"""Shapes of quotas."""

from __future__ import annotations

from typing import Any

from cumulet.http.bodies import Record, since, until

_NETWORK = ("floating_ips", "fixed_ips", "security_groups", "security_group_rules")
_FILES = ("injected_files", "injected_file_content_bytes", "injected_file_path_bytes")
_GROUPS = ("server_groups", "server_group_members")


def _resources(term: Any) -> dict[str, Any]:
    return {
        **dict.fromkeys(("instances", "cores", "ram", "metadata_items", "key_pairs", *_GROUPS), term),
        **dict.fromkeys(_NETWORK, until("2.35", term)),
        **dict.fromkeys(_FILES, until("2.56", term)),
    }


CHANGED_QUOTA_SET = Record("ChangedQuotaSet", _resources(int))
QUOTA_SET = CHANGED_QUOTA_SET.but("QuotaSet", id=str)
DETAILED_QUOTA_SET = Record(
    "DetailedQuotaSet", {"id": str, **_resources(Record("QuotaUse", {"limit": int, "in_use": int, "reserved": int}))}
)
CHANGED_QUOTA_CLASS = CHANGED_QUOTA_SET.but("ChangedQuotaClassSet", **dict.fromkeys(_GROUPS, since("2.50", int)))
QUOTA_CLASS = CHANGED_QUOTA_CLASS.but("QuotaClassSet", id=str)
