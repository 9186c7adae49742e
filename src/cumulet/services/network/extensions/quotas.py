"""Limits of projects."""

from __future__ import annotations

from cumulet.auth import Rule
from cumulet.services.network.check_strings import ADMIN, READER, rules
from cumulet.services.network.extension import Extension
from cumulet.services.network.tables import quotas

EXTENSION = Extension(
    "quotas",
    "Quota management support",
    "Expose functions for quotas management per project",
    tables=(quotas,),
    rules=[Rule("get_quota", READER), *rules("update_quota delete_quota", ADMIN)],
)
