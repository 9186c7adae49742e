"""What projects may have instead of the defaults."""

from __future__ import annotations

from sqlalchemy import Column, Integer, String, Table

from cumulet.db import metadata

quotas = Table(
    "network_quotas",
    metadata,
    Column("project_id", String(255), primary_key=True),
    Column("resource", String(64), primary_key=True),
    Column("limit", Integer, nullable=False),
)
