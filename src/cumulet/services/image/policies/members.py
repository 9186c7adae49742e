"""Rules of members of shared images."""

from __future__ import annotations

from cumulet.auth import Rule
from cumulet.services.image.policies.checks import ADMIN, ADMIN_OR_OWNER_WRITES, MEMBER

_READS = f"{ADMIN} or (role:reader and (project_id:%(project_id)s or {MEMBER}))"

RULES = [
    Rule("add_member", ADMIN_OR_OWNER_WRITES, "Create image member"),
    Rule("delete_member", ADMIN_OR_OWNER_WRITES, "Delete image member"),
    Rule("get_member", _READS, "Show image member details"),
    Rule("get_members", _READS, "List image members"),
    Rule("modify_member", f"{ADMIN} or (role:member and {MEMBER})", "Update image member"),
]
