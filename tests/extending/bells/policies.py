"""Rules of policy of bells."""

from __future__ import annotations

from cumulet.auth import Rule

RULES = (
    Rule("bell:bells:index", "rule:project_reader_or_admin"),
    Rule("bell:bells:show", "rule:project_reader_or_admin"),
    Rule("bell:bells:create", "rule:project_member_or_admin"),
    Rule("bell:bells:delete", "rule:project_member_or_admin"),
    Rule("bell:bells:ring", "rule:project_member_or_admin"),
)
