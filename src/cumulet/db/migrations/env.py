"""Alembic's entry: runs migrations on the connection it is given, whose transaction is another's to commit."""

from alembic import context

from cumulet.db.database import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
context.run_migrations()
