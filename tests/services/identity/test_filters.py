"""List filters against the same done in Python, with whatever names hypothesis thinks of."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from cumulet.db import Database, metadata
from cumulet.services.identity.model.filters import filtered, truth
from cumulet.services.identity.model.users import COLUMNS
from cumulet.services.identity.tables import users
from tests.databases import place

# Functions of a database on text end at NUL; names with NUL match by equality.
words = st.text(st.sampled_from("aAbB%_*\\'\" éÉßS1"), max_size=6)
COMPARATORS = {
    "": lambda name, value: name == value,
    "contains": lambda name, value: value in name,
    "icontains": lambda name, value: value in name,
    "startswith": lambda name, value: name.startswith(value),
    "istartswith": lambda name, value: name.startswith(value),
    "endswith": lambda name, value: name.endswith(value),
    "iendswith": lambda name, value: name.endswith(value),
    "nonsense": lambda name, value: True,
}
"""Of names and values without their case."""


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Database:
    found = Database(place(tmp_path_factory.mktemp("filters") / "test.db"), durable=False)
    metadata.create_all(found.engine)
    return found


@settings(max_examples=150, deadline=None)
@given(
    names=st.dictionaries(words, st.booleans(), max_size=8),
    comparator=st.sampled_from(sorted(COMPARATORS)),
    value=words,
    enabled=st.sampled_from([None, "true", "false", "0", "1", "no", "", "False"]),
)
def test_filters(db: Database, names: dict[str, bool], comparator: str, value: str, enabled: str | None) -> None:
    rows = [
        {"id": str(i), "name": name, "domain_id": "d", "enabled": on, "created_at": 0}
        for i, (name, on) in enumerate({name.casefold(): (name, on) for name, on in names.items()}.values())
    ]
    query = {f"name__{comparator}" if comparator else "name": [value], "unknown": ["x"]}
    if enabled is not None:
        query["enabled"] = [enabled]
    with db.transaction() as tx:
        tx.delete(users, users.c.domain_id == "d")
        tx.insert(users, rows)
        wanted = filtered(select(users.c.name).where(users.c.domain_id == "d"), query, COLUMNS)
        found = sorted(row.name for row in tx.rows(wanted))
    fits = COMPARATORS[comparator]
    expected = [
        row["name"]
        for row in rows
        if fits(str(row["name"]).casefold(), value.casefold()) and (enabled is None or row["enabled"] is truth(enabled))
    ]
    assert found == sorted(expected)  # type: ignore[type-var]


def test_no_filter_is_a_pattern_or_sql(db: Database) -> None:
    with db.transaction() as tx:
        tx.delete(users, users.c.domain_id == "d")
        tx.insert(users, {"id": "1", "name": "plain", "domain_id": "d", "enabled": True, "created_at": 0})
        for value in ("%", "_____", "' OR '1'='1", Path("/").as_posix()):
            assert not tx.rows(filtered(select(users.c.id), {"name__contains": [value]}, COLUMNS))
