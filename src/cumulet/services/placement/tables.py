"""All tables of placement.

`placement_inventories.used` is the sum of the allocations of that provider and class, `free` is capacity − used. They
are written in the same transaction as the allocations, so that "who has room, the most first" is one walk along an
index that ends at the request's limit.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Index, Integer, String, Table

from cumulet.db import TypedRow, metadata

providers = Table(
    "placement_providers",
    metadata,
    Column("uuid", String(36), primary_key=True),
    Column("name", String(200), nullable=False, unique=True),
    Column("generation", Integer, nullable=False, default=0),
    Column("parent_uuid", String(36), index=True),
    Column("root_uuid", String(36), nullable=False, index=True),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)


class ProviderRow(TypedRow, table=providers):
    """A row of `providers`."""

    uuid: str
    name: str
    generation: int
    parent_uuid: str | None
    root_uuid: str
    created_at: int
    updated_at: int


inventories = Table(
    "placement_inventories",
    metadata,
    Column("resource_class", String(255), primary_key=True),
    Column("provider_uuid", String(36), primary_key=True),
    Column("total", Integer, nullable=False),
    Column("reserved", Integer, nullable=False),
    Column("min_unit", Integer, nullable=False),
    Column("max_unit", Integer, nullable=False),
    Column("step_size", Integer, nullable=False),
    Column("allocation_ratio", Float, nullable=False),
    Column("capacity", BigInteger, nullable=False),
    Column("used", BigInteger, nullable=False, default=0),
    Column("free", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Index("placement_inventories_provider", "provider_uuid"),
    Index("placement_inventories_free", "resource_class", "free", "provider_uuid"),
    sqlite_with_rowid=False,
)


class InventoryRow(TypedRow, table=inventories):
    """A row of `inventories`."""

    resource_class: str
    provider_uuid: str
    total: int
    reserved: int
    min_unit: int
    max_unit: int
    step_size: int
    allocation_ratio: float
    capacity: int
    used: int
    free: int
    updated_at: int


consumers = Table(
    "placement_consumers",
    metadata,
    Column("uuid", String(36), primary_key=True),
    Column("project_id", String(255), nullable=False),
    Column("user_id", String(255), nullable=False),
    Column("generation", Integer, nullable=False),
    Column("consumer_type", String(255)),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Index("placement_consumers_project", "project_id", "user_id"),
)


class ConsumerRow(TypedRow, table=consumers):
    """A row of `consumers`."""

    uuid: str
    project_id: str
    user_id: str
    generation: int
    consumer_type: str | None
    created_at: int
    updated_at: int


allocations = Table(
    "placement_allocations",
    metadata,
    Column("consumer_uuid", String(36), primary_key=True),
    Column("provider_uuid", String(36), primary_key=True),
    Column("resource_class", String(255), primary_key=True),
    Column("used", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Index("placement_allocations_provider", "provider_uuid", "resource_class"),
    sqlite_with_rowid=False,
)


class AllocationRow(TypedRow, table=allocations):
    """A row of `allocations`."""

    consumer_uuid: str
    provider_uuid: str
    resource_class: str
    used: int
    updated_at: int


resource_classes = Table(
    "placement_resource_classes",
    metadata,
    Column("name", String(255), primary_key=True),
    Column("updated_at", BigInteger, nullable=False),
)

traits = Table(
    "placement_traits",
    metadata,
    Column("name", String(255), primary_key=True),
    Column("updated_at", BigInteger, nullable=False),
)

provider_traits = Table(
    "placement_provider_traits",
    metadata,
    Column("provider_uuid", String(36), primary_key=True),
    Column("trait", String(255), primary_key=True),
    Index("placement_provider_traits_trait", "trait", "provider_uuid"),
    sqlite_with_rowid=False,
)

provider_aggregates = Table(
    "placement_provider_aggregates",
    metadata,
    Column("provider_uuid", String(36), primary_key=True),
    Column("aggregate_uuid", String(36), primary_key=True),
    Index("placement_provider_aggregates_aggregate", "aggregate_uuid", "provider_uuid"),
    sqlite_with_rowid=False,
)
