"""Alembic's entry: runs migrations on one connection, each in its own transaction."""

from alembic import context
from sqlalchemy import create_engine, text

from cumulet.store.database import metadata
from cumulet.store.kinds import WRITERS

engine = create_engine(context.config.attributes["url"], hide_parameters=True)
with engine.connect() as connection:
    if (
        engine.dialect.name == "postgresql"
    ):  # of several controllers that start at once, one migrates, and nobody writes
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": WRITERS})
        connection.commit()
    context.configure(
        connection=connection,
        target_metadata=metadata,
        transaction_per_migration=True,
        render_as_batch=True,
        compare_type=True,
    )
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()  # which gives the lock back
