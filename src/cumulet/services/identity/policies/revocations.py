"""Rules of revocation events."""

from __future__ import annotations

from cumulet.auth import Rule

RULES = [Rule("identity:list_revoke_events", "rule:service_role or rule:admin_required")]
