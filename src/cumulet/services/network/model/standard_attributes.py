"""What all resources share: a new row, a changed row, the standard attributes of an answer."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from sqlalchemy import Table, bindparam, update

from cumulet.db import Prepared, Transaction, iso
from cumulet.db.times import SECOND
from cumulet.services.network.tables import StandardRow
from cumulet.services.network.wire.attributes import ABSENT


def fresh(tx: Transaction, project_id: str, description: str = "") -> dict[str, Any]:
    """The standard columns of a new row, with a new id."""
    return {
        "id": str(uuid.uuid4()),
        "project_id": project_id,
        "description": description,
        "created_at": tx.now,
        "updated_at": tx.now,
        "revision_number": 0,
    }


def change(tx: Transaction, table: Table, id: str, **values: Any) -> None:
    """Change a row; its revision rises."""
    tx.execute_prepared(_changing(table, tuple(values)), {**values, "row_id": id, "now": tx.now})


def changed(row: StandardRow, values: Mapping[str, Any]) -> str:
    """For a timeline: the names of what is another value now."""
    return ", ".join(name for name, value in values.items() if value != getattr(row, name)) or "nothing"


@lru_cache(maxsize=500)
def _changing(table: Table, names: tuple[str, ...]) -> Prepared[Any]:
    values: dict[str, Any] = {name: bindparam(name, type_=table.c[name].type) for name in names}
    values.update(updated_at=bindparam("now"), revision_number=table.c.revision_number + 1)
    return Prepared(update(table).where(table.c.id == bindparam("row_id")).values(values))


@lru_cache(8192)
def _second(second: int) -> str:
    return iso(second * SECOND)


def seconds(at: int) -> str:
    """A time (µs) as answers have it."""
    return _second(at // SECOND)


def standard(row: StandardRow, tags: Mapping[str, list[str]]) -> dict[str, Any]:
    """The standard attributes of an answer. `tags`: id → tags."""
    return {
        "id": row.id,
        "tenant_id": row.project_id,
        "project_id": row.project_id,
        "description": row.description,
        "created_at": seconds(row.created_at),
        "updated_at": seconds(row.updated_at),
        "revision_number": row.revision_number,
        "tags": tags.get(row.id, []),
    }


def given(values: Mapping[str, Any], name: str, otherwise: Any = None) -> Any:
    """The value of an attribute that the client may have left out."""
    value = values.get(name, ABSENT)
    return otherwise if value is ABSENT else value
