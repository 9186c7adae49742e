"""The schema: a new database gets all tables at once, an older one the migrations it lacks.

That both ways lead to the same tables is a test. Nothing is migrated while requests are answered.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import URL, Connection, inspect, text
from sqlalchemy.exc import OperationalError

from cumulet.store.database import Store, metadata

HEAD = "0001"
"""The newest revision under ``migrations/versions``."""

MIGRATIONS = Path(__file__).with_name("migrations")


class SchemaError(Exception):
    """The database cannot be reached, is newer than this program, or is not a database of Cumulet."""


def prepare(store: Store) -> None:
    """Bring the database to `HEAD`. Raises SchemaError when it cannot be."""
    try:
        _prepare(store)
    except OperationalError as error:  # what the driver says names host and user, never the password
        raise SchemaError(f"the database cannot be used: {error.orig}") from None


def _prepare(store: Store) -> None:
    if isinstance(store.where, Path):
        store.where.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with store.transaction() as tx:  # of several controllers that start at once, one makes the tables
        if not inspect(tx.connection).has_table("alembic_version"):
            if inspect(tx.connection).get_table_names():
                raise SchemaError(f"{store.engine.url!r} is not a database of Cumulet")
            metadata.create_all(tx.connection)
            tx.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
            tx.execute(text("INSERT INTO alembic_version VALUES (:head)"), {"head": HEAD})
            return
        version = tx.scalar(text("SELECT version_num FROM alembic_version"))
        if version == HEAD and (lacking := _lacking(tx.connection)):
            raise SchemaError(
                f"the database has no {lacking}: a Cumulet from before the first release made it. There is no way on "
                "from those; make the cloud anew (cumulet down --purge, then cumulet up)"
            )
    if version != HEAD:
        migrate(store.engine.url)


def _lacking(connection: Connection) -> str | None:
    """A table, or a column of one, that the database at `HEAD` should have and does not."""
    there = {table: found for (_, table), found in inspect(connection).get_multi_columns().items()}
    for table in metadata.sorted_tables:
        if table.name not in there:
            return f"table {table.name}"
        known = {column["name"] for column in there[table.name]}
        if lacking := [column.name for column in table.columns if column.name not in known]:
            return f"column {table.name}.{lacking[0]}"
    return None


def migrate(url: URL) -> None:
    """Run the migrations that the database at `url` lacks."""
    from alembic import command  # imported here: a cloud that is up to date starts without it
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["url"] = url
    try:
        command.upgrade(config, HEAD)
    except CommandError as error:
        raise SchemaError(f"the database cannot be brought to revision {HEAD}: {error}") from error
