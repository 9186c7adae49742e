"""How what has a name in a domain is found, and who keeps it.

`origin` of users and groups says who keeps them: this database (``local``), an identity provider (``federated``) or a
directory (``ldap``); only the names of local ones are unique.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Index, String, text

from cumulet.db.partial import only

ROOT = "<<keystone.domain.root>>"

LOCAL, FEDERATED, LDAP = "local", "federated", "ldap"
_IS_LOCAL = text("origin = 'local'")


def folded(name: str) -> str:
    """What a name is found by: without its case, as Unicode folds it; accents count."""
    return name.casefold()


def found_by_name(noun: str, *, local: bool = False) -> list[Any]:
    """What stands beside a name that is compared without its case: see `model/names.py`."""
    where = only(_IS_LOCAL) if local else {}
    unique, also = f"uq_identity_{noun}_domain_name_key", f"ix_identity_{noun}_name_key"
    key = lambda context: folded(context.get_current_parameters()["name"])  # noqa: E731
    return [
        Column("name_key", String, nullable=False, default=key, server_default=""),
        Column("namesake", String(64), nullable=False, default="", server_default=""),
        Index(unique, "domain_id", "name_key", "namesake", unique=True, **where),
        *([Index(also, "name_key")] if local else []),
    ]
