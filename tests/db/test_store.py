"""Transactions, wake-ups and paging on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import JSON, Boolean, Column, Float, Integer, MetaData, String, Table, func, select
from sqlalchemy.exc import IntegrityError

from cumulet.db import Database, Page, Prepared, iso, paged
from cumulet.db.in_list import in_bound_list
from cumulet.db.paging import MarkerNotFound
from cumulet.db.times import parse_iso
from tests.databases import KINDS, place

tables = MetaData()
things = Table(
    "things", tables, Column("id", String, primary_key=True), Column("name", String), Column("size", Integer)
)


@pytest.fixture(params=KINDS)
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    made = Database(place(tmp_path / "db.sqlite", request.param), durable=False)
    with made.engine.connect() as connection:
        tables.create_all(connection)
    yield made
    made.close()


def count(db: Database) -> int:
    with db.read() as tx:
        return int(tx.scalar(select(func.count()).select_from(things)))


def test_all_or_nothing(db: Database) -> None:
    woken: list[str] = []
    with pytest.raises(RuntimeError), db.transaction() as tx:
        tx.insert(things, {"id": "a"})
        tx.on_commit(lambda: woken.append("never"))
        raise RuntimeError
    assert count(db) == 0
    with db.transaction() as tx:
        tx.insert(things, [{"id": "a"}, {"id": "b"}])
        tx.on_commit(lambda: woken.append("once"))
        assert woken == []
    assert (count(db), woken) == (2, ["once"])


def test_a_reader_sees_one_moment(db: Database) -> None:
    with db.read() as tx:
        assert tx.scalar(select(func.count()).select_from(things)) == 0
        thread = threading.Thread(target=_add, args=(db, "x"))
        thread.start()
        thread.join()
        assert tx.scalar(select(func.count()).select_from(things)) == 0
    assert count(db) == 1


def _add(db: Database, name: str) -> None:
    with db.transaction() as tx:
        tx.insert(things, {"id": name})


def test_writers_of_many_threads_queue(db: Database) -> None:
    with db.transaction() as tx:
        tx.insert(things, {"id": "counter", "size": 0})

    def raise_it() -> None:
        for _ in range(50):
            with db.transaction() as tx:
                size = tx.scalar(select(things.c.size).where(things.c.id == "counter"))
                tx.update(things, things.c.id == "counter", size=size + 1)

    threads = [threading.Thread(target=raise_it) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with db.read() as tx:
        assert tx.scalar(select(things.c.size)) == 300


def test_compare_and_set_says_no(db: Database) -> None:
    _add(db, "a")
    with db.transaction() as tx:
        assert tx.update(things, (things.c.id == "a") & things.c.size.is_(None), size=1) == 1
        assert tx.update(things, (things.c.id == "a") & things.c.size.is_(None), size=2) == 0


def test_upsert(db: Database) -> None:
    for size in (1, 2):
        with db.transaction() as tx:
            tx.upsert(things, {"id": "a"}, size=size, name="n")
    with db.read() as tx:
        assert [tuple(row) for row in tx.rows(select(things))] == [("a", "n", 2)]


def test_a_wake_up_between_reading_and_waiting_is_not_lost(db: Database) -> None:
    async def scenario() -> list[bool]:
        ticket = db.wakeups.ticket("t")
        with db.transaction() as tx:
            tx.wake("t")
        at_once = await db.wakeups.wait({"t": ticket}, 5)
        nobody = await db.wakeups.wait({"t": db.wakeups.ticket("t")}, 0.01)
        task = asyncio.create_task(db.wakeups.wait({"t": db.wakeups.ticket("t"), "u": 0}, 5))
        await asyncio.sleep(0.01)
        await asyncio.to_thread(db.wakeups.wake, "t")
        return [at_once, nobody, await task]

    assert asyncio.run(scenario()) == [True, False, True]
    assert db.wakeups._waiters.get("u", set()) == set()


ROWS = st.lists(st.tuples(st.text("ab", max_size=2) | st.none(), st.integers(0, 3) | st.none()), max_size=25)
SORTS = st.lists(st.tuples(st.sampled_from(["name", "size"]), st.booleans()), max_size=2, unique_by=lambda s: s[0])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(rows=ROWS, sort=SORTS, limit=st.integers(1, 7), reverse=st.booleans())
def test_pages_add_up_to_the_whole(
    db: Database, rows: list[tuple[str | None, int | None]], sort: list[tuple[str, bool]], limit: int, reverse: bool
) -> None:
    with db.transaction() as tx:
        tx.execute(things.delete())
        tx.insert(things, [{"id": f"{n:03d}", "name": name, "size": size} for n, (name, size) in enumerate(rows)])
    columns = {"name": things.c.name, "size": things.c.size}
    with db.read() as tx:
        whole = [r.id for r in paged(tx, select(things), columns, Page(sort=tuple(sort)), things.c.id, select(things))]
        assert sorted(whole) == [f"{n:03d}" for n in range(len(rows))]
        found: list[str] = []
        marker = None
        while True:
            page = Page(limit, marker, tuple(sort), reverse)
            got = [r.id for r in paged(tx, select(things), columns, page, things.c.id, select(things))]
            if not got:
                break
            found = got + found if reverse else found + got
            marker = got[0] if reverse else got[-1]
        assert found == whole


def test_an_unknown_marker(db: Database) -> None:
    with db.transaction() as tx:
        tx.insert(things, [{"id": "mine", "name": "b", "size": 1}, {"id": "hers", "name": "a", "size": 1}])
    with db.read() as tx:
        seen = select(things).where(things.c.name == "b")
        for marker in ("nobody", "hers"):
            with pytest.raises(MarkerNotFound):
                paged(tx, select(things), {}, Page(marker=marker), things.c.id, seen)
        nothing = select(things).where(things.c.size > 1)
        assert paged(tx, nothing, {}, Page(marker="mine"), things.c.id, seen) == [], "it need not fit the filters"


@given(st.integers(0, 4_000_000_000_000_000))
def test_times_survive_their_text(us: int) -> None:
    assert parse_iso(iso(us, micro=True)) == us
    assert parse_iso(iso(us)) == us - us % 1_000_000


def test_prepared_statements_mean_what_the_others_mean(db: Database) -> None:
    listed = Prepared(select(things).where(in_bound_list(things.c.id, "ids")).order_by(things.c.id).limit(2))
    with db.transaction() as tx:
        tx.insert(things, [{"id": name, "name": "n", "size": size} for size, name in enumerate("abc")])
        assert [tuple(row) for row in tx.rows(listed, {"ids": ["c", "a", "b"]})] == [("a", "n", 0), ("b", "n", 1)]
        assert tx.rows(listed, {"ids": []}) == [] and tx.scalar(listed, {"ids": ["c"]}) == "c"
        assert (
            tx.update_by_key(things, {"id": "a"}, name="x", size=7) == 1
            and tx.update_by_key(things, {"id": "z"}, size=1) == 0
        )
        assert [(row.name, row._mapping["size"]) for row in tx.rows_by_key(things, id="a")] == [("x", 7)]
        tx.upsert(things, {"id": "a"}, size=8)
        tx.upsert(things, {"id": "d"}, size=9)
        assert (tx.rows_by_key(things, id="a")[0].name, tx.rows_by_key(things, size=9)[0].id) == ("x", "d")
        assert (tx.delete_by_key(things, id="d"), tx.delete_by_key(things, id="d")) == (1, 0)
        with pytest.raises(KeyError):
            tx.rows(listed, {})
        with pytest.raises(IntegrityError):
            tx.insert(things, {"id": "a"})


def test_prepared_statements_carry_json_booleans_fractions_and_defaults(db: Database) -> None:
    rich = Table(
        "rich",
        MetaData(),
        Column("id", String, primary_key=True),
        Column("data", JSON),
        Column("on", Boolean, default=True),
        Column("ratio", Float, default=1.5),
        Column("many", JSON, default=dict),
    )
    with db.engine.connect() as connection:
        rich.create(connection)
    with db.transaction() as tx:
        tx.insert(rich, {"id": "a", "data": {"x": [1]}})
        tx.upsert(rich, {"id": "b"}, data=None)
        tx.update_by_key(rich, {"id": "b"}, on=False)
        plain = {row.id: tuple(row) for row in tx.rows(select(rich))}
        assert plain == {"a": ("a", {"x": [1]}, True, 1.5, {}), "b": ("b", None, False, 1.5, {})}
        assert {row.id: tuple(row) for row in tx.rows(Prepared(select(rich)))} == plain
        assert [row.id for row in tx.rows_by_key(rich, on=False)] == ["b"]
