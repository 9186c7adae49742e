"""Names of domains, projects, users, groups and roles, which are compared without their case: decisions/0047.

A name is kept as it was given; `name_key` is what it is found by. A cloud of before this may hold names of one key: all
but one of them carry a mark in `namesake` and are found by their exact spelling. New ones of a key that is there are
refused by the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from sqlalchemy import bindparam, case, select

from cumulet.db.paging import S
from cumulet.services.identity.tables import ROOT, folded, projects

T = TypeVar("T")


def best(statement: S, table: Any, name: str) -> S:
    """`statement` for rows of `table`, or of an alias of it, by name: the first one is meant by `name`. It is the one
    of that very spelling, else the one without a mark; those behind it have the same key."""
    found = statement.where(table.c.name_key == folded(name))
    return found.order_by((table.c.name == name).desc(), table.c.namesake)


def bound(statement: S, table: Any, prefix: str = "") -> S:
    """As `best`, for a statement that is prepared: `values` of the name are bound later."""
    found = statement.where(table.c.name_key == bindparam(f"{prefix}key"))
    return found.order_by((table.c.name == bindparam(f"{prefix}name")).desc(), table.c.namesake)


def values(name: str, prefix: str = "") -> dict[str, str]:
    """What `bound` left open."""
    return {f"{prefix}key": folded(name), f"{prefix}name": name}


_domains = projects.alias("named_domain")
_of_domains = select(_domains.c.id).where(_domains.c.domain_id == ROOT)
DOMAIN_ID = bound(_of_domains, _domains, "domain_").limit(1).scalar_subquery()
"""The id of the domain of a name, as a part of a prepared statement; its `values` have the prefix ``domain_``."""


def domain_id(name: str) -> Any:
    """The id of the domain that answers to `name`, as a part of a statement."""
    return best(_of_domains, _domains, name).limit(1).scalar_subquery()


def renamed(table: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` of an update, with what follows from a new name. A row that is not called otherwise keeps its mark."""
    if "name" not in values or "name_key" not in table.c:
        return dict(values)
    mark = case((table.c.name == values["name"], table.c.namesake), else_="")
    return {**values, "name_key": folded(values["name"]), "namesake": mark}


class Book(Generic[T]):
    """Things by their names within a scope, such as a domain; what is added later goes before."""

    def __init__(self) -> None:
        self._exact: dict[tuple[Any, str], T] = {}
        self._folded: dict[tuple[Any, str], T] = {}

    def add(self, scope: Any, row: Any, thing: T) -> None:
        """`row` has a name and a namesake."""
        self._exact[scope, row.name] = thing
        if not row.namesake:
            self._folded[scope, folded(row.name)] = thing

    def get(self, scope: Any, name: str) -> T | None:
        """What answers to `name`; None for nothing."""
        found = self._exact.get((scope, name))
        return self._folded.get((scope, folded(name))) if found is None else found
