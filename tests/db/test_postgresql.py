"""What only a database with several controllers has: writers and wake-ups of other processes, lost connections."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import JSON, Column, Integer, MetaData, String, Table, func, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from cumulet.config import ConfigError, Settings
from cumulet.db import Database, Prepared, Unstorable
from cumulet.db.dialects import postgresql_url
from cumulet.db.schema import SchemaError, prepare
from cumulet.db.texts import instr
from tests.databases import KINDS, place, url

tables = MetaData()
things = Table(
    "things",
    tables,
    Column("id", String(8), primary_key=True),
    Column("size", Integer),
    Column("data", JSON),
)


@contextmanager
def controllers(count: int) -> Iterator[list[Database]]:
    """That many stores of one new database, as that many processes have them."""
    where = url()
    made = [Database(where, durable=False) for _ in range(count)]
    with made[0].engine.connect() as connection:
        tables.create_all(connection)
    yield made
    for db in made:
        db.close()


def test_writers_of_several_controllers_queue() -> None:
    with controllers(4) as stores:
        with stores[0].transaction() as tx:
            tx.insert(things, {"id": "counter", "size": 0})

        def raise_it(db: Database) -> None:
            for _ in range(25):
                with db.transaction() as tx:
                    size = tx.scalar(select(things.c.size).where(things.c.id == "counter"))
                    tx.update(things, things.c.id == "counter", size=size + 1)

        threads = [threading.Thread(target=raise_it, args=(db,)) for db in stores]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with stores[1].read() as tx:
            assert tx.scalar(select(things.c.size)) == 100


def test_a_reader_never_waits_for_another_controllers_writer_and_cannot_write() -> None:
    with controllers(2) as (writer, reader), writer.transaction() as writing:
        writing.insert(things, {"id": "a"})
        with reader.read() as tx:
            assert tx.scalar(select(func.count()).select_from(things)) == 0
            with pytest.raises(DBAPIError, match="read-only"):
                tx.execute(things.delete())


def test_wake_ups_reach_other_controllers_after_the_commit() -> None:
    with controllers(2) as (here, there):
        ended = threading.Event()
        listening = threading.Thread(target=there.listen, args=(ended,))
        listening.start()

        async def told() -> list[bool]:
            found = []
            for commits in (True, False):
                ticket = await settled(there)
                try:
                    with here.transaction() as tx:
                        tx.insert(things, {"id": str(commits)})
                        tx.wake("topic")
                        assert not await there.wakeups.wait({"topic": ticket}, 0.1)
                        if not commits:
                            raise RuntimeError
                except RuntimeError:
                    pass
                found.append(await there.wakeups.wait({"topic": ticket}, 5 if commits else 0.5))
            return found

        async def settled(db: Database) -> int:
            """The topic's ticket once the listener surely listens."""
            marker = db.wakeups.ticket("marker")
            while not await db.wakeups.wait({"marker": marker}, 0.05):
                with here.transaction() as tx:
                    tx.wake("marker")
            await asyncio.sleep(0.2)
            return db.wakeups.ticket("topic")

        try:
            assert asyncio.run(told()) == [True, False]
        finally:
            ended.set()
            listening.join(10)
        assert not listening.is_alive()


def test_a_controller_survives_its_connections() -> None:
    with controllers(2) as (db, other):
        ended = threading.Event()
        listening = threading.Thread(target=db.listen, args=(ended,))
        listening.start()
        try:
            with db.read() as tx:
                tx.scalar(select(func.count()).select_from(things))
            others = "pid <> pg_backend_pid() AND datname = current_database()"
            end = text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")
            ticket = db.wakeups.ticket("t")
            for _ in range(2):
                with other.transaction() as tx:
                    tx.execute(end)
                with db.transaction() as tx:
                    tx.insert(things, {"id": f"{tx.now % 10**8}"})
            with pytest.raises(DBAPIError), db.transaction() as tx:
                with other.read() as ending:
                    ending.execute(end)
                tx.execute(select(things))
            with db.read() as tx:
                assert tx.scalar(select(func.count()).select_from(things)) == 2
            until = time.monotonic() + 20
            while time.monotonic() < until:
                with other.transaction() as tx:
                    tx.wake("t")
                if asyncio.run(db.wakeups.wait({"t": ticket}, 0.2)):
                    break
            assert db.wakeups.ticket("t") > ticket, "the listener came back"
        finally:
            ended.set()
            listening.join(10)


def test_values_that_no_column_holds_are_told_apart() -> None:
    with controllers(1) as (db,):
        for values in (
            {"id": "a\0"},
            {"id": "longer than eight"},
            {"id": "a", "size": 2**40},
            {"id": "a", "size": 2**70},
        ):
            with pytest.raises(Unstorable), db.transaction() as tx:
                tx.insert(things, values)
            with pytest.raises(Unstorable), db.transaction() as tx:
                tx.execute(things.insert().values(**values))
        with db.transaction() as tx:
            tx.insert(things, {"id": "a"})
            with pytest.raises(IntegrityError), tx.savepoint():
                tx.insert(things, {"id": "a"})
            tx.insert(things, {"id": "100%", "data": {"per cent": "%s"}})
            found = tx.rows(Prepared(select(things.c.data).where(things.c.id == "100%")))
            assert [tuple(row) for row in found] == [({"per cent": "%s"},)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_place_in_a_text(kind: str, tmp_path: Path) -> None:
    db = Database(place(tmp_path / "db.sqlite", kind))
    with db.read() as tx:
        places = [tx.scalar(select(instr(*pair))) for pair in (("abc", "bc"), ("abc", "BC"), ("a%c", "%"))]
    db.close()
    assert places == [2, 0, 2]


def test_controllers_that_start_at_once_make_the_tables_once() -> None:
    where = url()
    stores = [Database(where, durable=False) for _ in range(4)]
    failed: list[BaseException] = []

    def start(db: Database) -> None:
        try:
            prepare(db)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=start, args=(db,)) for db in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for db in stores:
        db.close()
    assert failed == []


def test_a_database_that_does_not_answer_is_told_without_its_password(tmp_path: Path) -> None:
    for where in (f"postgresql://u:hush@/x?host={tmp_path}", f"{url()}0&password=hush".replace("/test", "/none")):
        db = Database(where, durable=False)
        with pytest.raises(SchemaError, match="cannot be used") as told:
            prepare(db)
        assert "hush" not in str(told.value)
        db.close()


def test_the_url_is_a_secret(tmp_path: Path) -> None:
    settings = Settings(state=tmp_path)
    assert settings.database == tmp_path / "db" / "cumulet.sqlite"
    settings.secrets_dir.mkdir()
    file = settings.secrets_dir / "database_url"
    file.write_text("postgresql://cumulet:hush@db.example.com/cumulet\n")
    file.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        _ = settings.database
    file.chmod(0o600)
    assert settings.database == "postgresql://cumulet:hush@db.example.com/cumulet"  # type: ignore[comparison-overlap]
    assert "hush" not in settings.to_toml() and "hush" not in repr(settings)
    assert "hush" not in repr(postgresql_url(str(settings.database)))
    for wrong in ("mysql://cumulet:hush@db/cumulet", "hush", ""):
        file.write_text(wrong)
        with pytest.raises(ConfigError) as told:
            _ = settings.database
        assert "hush" not in str(told.value)
    for wrong in ("mysql://u:hush@db/x", "postgresql://u:hush@db:port/x"):
        with pytest.raises(ValueError) as refused:
            postgresql_url(wrong)
        assert "hush" not in str(refused.value)
