"""What the rules of several nouns are made of."""

from __future__ import annotations

ADMIN = "rule:context_is_admin"
OWNER_WRITES = "role:member and project_id:%(project_id)s"
OWNER_READS = "role:reader and project_id:%(project_id)s"
MEMBER = "project_id:%(member_id)s"
SEES = (
    f"project_id:%(project_id)s or {MEMBER} or 'community':%(visibility)s "
    "or 'public':%(visibility)s or 'shared':%(visibility)s"
)
ADMIN_OR_OWNER_WRITES = f"{ADMIN} or ({OWNER_WRITES})"
ADMIN_OR_OWNER_READS = f"{ADMIN} or ({OWNER_READS})"
