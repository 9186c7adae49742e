"""Check strings that rules of policy are made of: Neutron's roles, in one place. Knows no resource."""

from __future__ import annotations

from cumulet.auth import Rule

ADMIN = "rule:admin_only"
MEMBER = "(rule:admin_only) or (role:member and project_id:%(project_id)s)"
READER = "(rule:admin_only) or (role:reader and project_id:%(project_id)s)"
NET_OWNER = "(role:member and project_id:%(network:project_id)s)"
NET_READER = "(role:reader and project_id:%(network:project_id)s)"
ADMIN_OR_NET_OWNER = f"{ADMIN} or {NET_OWNER} or rule:service_api"


def plain_rules(noun: str, read: str = READER, write: str = MEMBER) -> list[Rule]:
    """The four rules of a plain noun."""
    return [
        Rule(f"create_{noun}", write),
        Rule(f"get_{noun}", read),
        Rule(f"update_{noun}", write),
        Rule(f"delete_{noun}", write),
    ]


def rules(names: str, check: str) -> list[Rule]:
    """One check for several names, which are separated by spaces."""
    return [Rule(name, check) for name in names.split()]
