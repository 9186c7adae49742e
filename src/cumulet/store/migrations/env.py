"""Alembic's entry: runs migrations on one connection, each in its own transaction."""

from alembic import context
from sqlalchemy import create_engine

from cumulet.store.database import metadata

engine = create_engine(context.config.get_main_option("sqlalchemy.url") or "")
with engine.connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        transaction_per_migration=True,
        render_as_batch=True,
        compare_type=True,
    )
    with context.begin_transaction():
        context.run_migrations()
