"""Tags of all resources."""

from __future__ import annotations

from sqlalchemy import Column, Index, String, Table

from cumulet.db import TypedRow, metadata

tags = Table(
    "network_tags",
    metadata,
    Column("resource_id", String(36), primary_key=True),
    Column("tag", String(255), primary_key=True),
    Index("ix_network_tags_tag", "tag"),
)


class TagRow(TypedRow, table=tags):
    """A tag."""

    resource_id: str
    tag: str
