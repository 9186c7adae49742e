"""All tables of image. A deleted image keeps its row (`deleted_at`), so that its id is never used again."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, Column, Index, Integer, String, Table, Text, text

from cumulet.db import TypedRow, metadata
from cumulet.db.partial import only

_LIVING, _DEAD = text("deleted_at IS NULL"), text("deleted_at IS NOT NULL")

images = Table(
    "image_images",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("name", String(255)),
    Column("owner", String(255)),
    Column("visibility", String(12), nullable=False),
    Column("status", String(16), nullable=False),
    Column("disk_format", String(20)),
    Column("container_format", String(20)),
    Column("size", BigInteger),
    Column("virtual_size", BigInteger),
    Column("checksum", String(32)),
    Column("os_hash_algo", String(64)),
    Column("os_hash_value", String(128)),
    Column("min_disk", Integer, nullable=False),
    Column("min_ram", Integer, nullable=False),
    Column("protected", Boolean, nullable=False),
    Column("os_hidden", Boolean, nullable=False),
    Column("properties", JSON, nullable=False),
    Column("upload_id", String(32)),
    Column("stores", String(1024)),
    Column("import_task", String(36)),
    Column("importing_to_stores", String(1024)),
    Column("failed_import", String(1024)),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("deleted_at", BigInteger),
    Index("image_images_created", "created_at", "id"),
    Index("image_images_living", "created_at", "id", **only(_LIVING)),
    Index("image_images_dead", "deleted_at", **only(_DEAD)),
    Index("image_images_owner", "owner"),
    Index("image_images_name", "name"),
)


class ImageRow(TypedRow, table=images):
    """An image."""

    id: str
    name: str | None
    owner: str | None
    visibility: str
    status: str
    disk_format: str | None
    container_format: str | None
    size: int | None
    virtual_size: int | None
    checksum: str | None
    os_hash_algo: str | None
    os_hash_value: str | None
    min_disk: int
    min_ram: int
    protected: bool
    os_hidden: bool
    properties: dict[str, Any]
    upload_id: str | None
    stores: str | None
    import_task: str | None
    importing_to_stores: str | None
    failed_import: str | None
    created_at: int
    updated_at: int
    deleted_at: int | None


tags = Table(
    "image_tags",
    metadata,
    Column("image_id", String(36), primary_key=True),
    Column("value", String(255), primary_key=True),
    Index("image_tags_value", "value", "image_id"),
    sqlite_with_rowid=False,
)


class TagRow(TypedRow, table=tags):
    """A tag."""

    image_id: str
    value: str


members = Table(
    "image_members",
    metadata,
    Column("image_id", String(36), primary_key=True),
    Column("member", String(255), primary_key=True),
    Column("status", String(20), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Index("image_members_member", "member", "status", "image_id"),
    sqlite_with_rowid=False,
)


class MemberRow(TypedRow, table=members):
    """A member."""

    image_id: str
    member: str
    status: str
    created_at: int
    updated_at: int


locations = Table(
    "image_locations",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("image_id", String(36), nullable=False),
    Column("store", String(255)),
    Column("url", Text, nullable=False),
    Column("detail", JSON, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Index("image_locations_image", "image_id", "id"),
)
"""Where an image's bytes are; the first that works is read. `url` is relative to the store: what an object is called
there, wherever the store's folder or bucket lies; a whole URL on other people's web servers. `store` is None for a URL
that no declared store owns, `detail` is the metadata that clients gave, without the store. `image_images.stores` names
the same stores, with commas, so that a list of images asks nothing more."""


class LocationRow(TypedRow, table=locations):
    """A location."""

    id: int
    image_id: str
    store: str | None
    url: str
    detail: dict[str, Any]
    created_at: int


erasures = Table(
    "image_erasures",
    metadata,
    Column("store", String(255), primary_key=True),
    Column("url", String(1024), primary_key=True),
    Column("due_at", BigInteger, nullable=False),
    Index("image_erasures_due", "due_at"),
)
"""Objects that belong to no image: what a delete left to be removed, and what is being written right now (due when its
writer has been silent for too long)."""


class ErasureRow(TypedRow, table=erasures):
    """Data that nothing names any more."""

    store: str
    url: str
    due_at: int


cached = Table(
    "image_cached",
    metadata,
    Column("image_id", String(36), primary_key=True),
    Column("state", String(8), nullable=False),
    Column("size", BigInteger),
    Column("hits", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("last_modified", BigInteger),
    Column("last_accessed", BigInteger),
)
"""Images of far stores whose bytes are kept near by as well: `state` is queued or cached."""


class CachedRow(TypedRow, table=cached):
    """What is in the cache."""

    image_id: str
    state: str
    size: int | None
    hits: int
    created_at: int
    last_modified: int | None
    last_accessed: int | None


tasks = Table(
    "image_tasks",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("type", String(30), nullable=False),
    Column("status", String(30), nullable=False),
    Column("owner", String(255)),
    Column("image_id", String(36)),
    Column("user_id", String(64)),
    Column("request_id", String(64)),
    Column("input", JSON),
    Column("result", JSON),
    Column("message", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Index("image_tasks_created", "created_at", "id"),
    Index("image_tasks_image", "image_id"),
    Index("image_tasks_status", "status"),
    Index("image_tasks_expires", "expires_at"),
)


class TaskRow(TypedRow, table=tasks):
    """A task."""

    id: str
    type: str
    status: str
    owner: str | None
    image_id: str | None
    user_id: str | None
    request_id: str | None
    input: Any
    result: Any
    message: str
    created_at: int
    updated_at: int
    expires_at: int | None


# ---- metadata definitions: what properties there are, and what their values mean ------------------------------

namespaces = Table(
    "image_namespaces",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("namespace", String(80), nullable=False, unique=True),
    Column("display_name", String(80)),
    Column("description", Text),
    Column("visibility", String(10), nullable=False),
    Column("protected", Boolean, nullable=False),
    Column("owner", String(255)),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Index("image_namespaces_created", "created_at", "id"),
    Index("image_namespaces_owner", "owner"),
)


class NamespaceRow(TypedRow, table=namespaces):
    """A namespace."""

    id: str
    namespace: str
    display_name: str | None
    description: str | None
    visibility: str
    protected: bool
    owner: str | None
    created_at: int
    updated_at: int


class ContentRow(TypedRow):
    """What every object, property and tag of a namespace has."""

    id: str
    namespace_id: str
    name: str


namespace_objects = Table(
    "image_namespace_objects",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("namespace_id", String(32), nullable=False),
    Column("name", String(80), nullable=False),
    Column("description", Text),
    Column("required", JSON),
    Column("properties", JSON),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Index("image_namespace_objects_name", "namespace_id", "name", unique=True),
)


class NamespaceObjectRow(ContentRow, table=namespace_objects):
    """An object of a namespace."""

    description: str | None
    required: Any
    properties: Any
    created_at: int
    updated_at: int


namespace_properties = Table(
    "image_namespace_properties",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("namespace_id", String(32), nullable=False),
    Column("name", String(80), nullable=False),
    Column("schema", JSON, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Index("image_namespace_properties_name", "namespace_id", "name", unique=True),
)


class NamespacePropertyRow(ContentRow, table=namespace_properties):
    """A property of a namespace."""

    schema: dict[str, Any]
    created_at: int
    updated_at: int


namespace_tags = Table(
    "image_namespace_tags",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("namespace_id", String(32), nullable=False),
    Column("name", String(80), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Index("image_namespace_tags_name", "namespace_id", "name", unique=True),
)


class NamespaceTagRow(ContentRow, table=namespace_tags):
    """A tag of a namespace."""

    created_at: int
    updated_at: int


resource_types = Table(
    "image_resource_types",
    metadata,
    Column("name", String(80), primary_key=True),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)


class ResourceTypeRow(TypedRow, table=resource_types):
    """A resource type."""

    name: str
    created_at: int
    updated_at: int


resource_type_associations = Table(
    "image_resource_type_associations",
    metadata,
    Column("namespace_id", String(32), primary_key=True),
    Column("name", String(80), primary_key=True),
    Column("prefix", String(80)),
    Column("properties_target", String(80)),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Index("image_resource_type_associations_name", "name"),
    sqlite_with_rowid=False,
)


class ResourceTypeAssociationRow(TypedRow, table=resource_type_associations):
    """A resource type association."""

    namespace_id: str
    name: str
    prefix: str | None
    properties_target: str | None
    created_at: int
    updated_at: int
