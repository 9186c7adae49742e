"""The store's own tables: which versions of Cumulet made the database and brought it to which revision, and what
happened once in its life."""

from sqlalchemy import BigInteger, Column, Integer, String, Table

from cumulet.db.database import metadata

upgrades = Table(
    "store_upgrades",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("revision", String(32), nullable=False),
    Column("version", String(64), nullable=False),
    Column("at", BigInteger, nullable=False),
)
"""The first row is who made the database, or who first brought it along; the last one who wrote it last."""

marks = Table(
    "store_marks",
    metadata,
    Column("name", String(512), primary_key=True),
    Column("at", BigInteger, nullable=False),
)
