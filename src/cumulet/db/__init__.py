"""Rows: the engine, transactions, compare-and-set, paging and wake-ups. Knows no service.

Truth lives in one database. Everything a call promises is committed in one `Database.transaction()`; whoever waits
for a row to change subscribes to a topic of `Wakeups` and looks at the rows again when woken.
"""

from cumulet.db import marks
from cumulet.db.database import Actor, Database, Transaction, Unstorable, metadata
from cumulet.db.paging import Page, paged
from cumulet.db.prepared import Prepared
from cumulet.db.rows import TypedRow, TypedSelect, select_as
from cumulet.db.times import iso, now_us
from cumulet.db.wakeups import Wakeups

__all__ = [
    "Actor",
    "Database",
    "Page",
    "Prepared",
    "Transaction",
    "TypedRow",
    "TypedSelect",
    "Unstorable",
    "Wakeups",
    "iso",
    "marks",
    "metadata",
    "now_us",
    "paged",
    "select_as",
]
