"""Rows: the engine, transactions, compare-and-set, paging and wake-ups. Knows no service.

Truth lives in one database. Everything a call promises is committed in one `Store.transaction()`; whoever waits
for a row to change subscribes to a topic of `Wakeups` and looks at the rows again when woken.
"""

from cumulet.store import marks
from cumulet.store.database import Actor, Store, Transaction, Unstorable, metadata
from cumulet.store.paging import Page, paged
from cumulet.store.prepared import Prepared
from cumulet.store.rows import TypedRow, TypedSelect, select_as
from cumulet.store.times import iso, now_us
from cumulet.store.wakeups import Wakeups

__all__ = [
    "Actor",
    "Page",
    "Prepared",
    "Store",
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
