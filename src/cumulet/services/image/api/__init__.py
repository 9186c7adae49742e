"""Operations of image; importing this package registers them all."""

from cumulet.services.image.api import (
    data,
    downloads,
    images,
    imports,
    info,
    members,
    metadef_namespaces,
    metadef_objects,
    metadef_properties,
    metadef_resource_types,
    metadef_tags,
    schemas,
    stores,
    tags,
    tasks,
    versions,
)

__all__ = [
    "data",
    "downloads",
    "images",
    "imports",
    "info",
    "members",
    "metadef_namespaces",
    "metadef_objects",
    "metadef_properties",
    "metadef_resource_types",
    "metadef_tags",
    "schemas",
    "stores",
    "tags",
    "tasks",
    "versions",
]
