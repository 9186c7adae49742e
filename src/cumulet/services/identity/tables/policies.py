"""Rules of other services, kept for them as text, and what they are for."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, Column, String, Table, Text

from cumulet.db import TypedRow, metadata

policies = Table(  # rules of other services, kept for them as text
    "identity_policies",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("type", String(255), nullable=False),
    Column("blob", Text, nullable=False),
    Column("extra", JSON, nullable=False, default=dict),
)


class PolicyRow(TypedRow, table=policies):
    """A policy."""

    id: str
    type: str
    blob: str
    extra: dict[str, Any]


policy_associations = Table(  # one policy for each target; what a target does not name is empty
    "identity_policy_associations",
    metadata,
    Column("endpoint_id", String(64), primary_key=True),
    Column("service_id", String(64), primary_key=True),
    Column("region_id", String(255), primary_key=True),
    Column("policy_id", String(64), nullable=False, index=True),
)


class PolicyAssociationRow(TypedRow, table=policy_associations):
    """What a policy is for."""

    endpoint_id: str
    service_id: str
    region_id: str
    policy_id: str
