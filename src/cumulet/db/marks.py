"""Things that happen once in the life of a database: what a first start makes, and what a newer version adds to it.

A mark is written in the transaction that does what it stands for. It is never taken back: what somebody deletes
afterwards was meant to be deleted.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select

from cumulet.db.database import Transaction
from cumulet.db.tables import marks


def under(tx: Transaction, prefix: str) -> set[str]:
    """Names of the marks that begin with `prefix`. One query."""
    return {row.name for row in tx.rows(select(marks.c.name).where(marks.c.name.startswith(prefix, autoescape=True)))}


def put(tx: Transaction, names: Iterable[str]) -> None:
    """Mark these as done; one that is marked stays as it is. A query, and a statement when there are new ones."""
    wanted = set(names)
    there = {row.name for row in tx.rows(select(marks.c.name).where(marks.c.name.in_(wanted)))}
    tx.insert(marks, [{"name": name, "at": tx.now} for name in sorted(wanted - there)])
