"""Operations of image, one file per noun."""

from __future__ import annotations

from cumulet.http import Service


def load() -> Service:
    """The service with all its operations: importing their modules declares them."""
    from cumulet.services.image.api import (  # noqa: F401
        cache,
        data,
        downloads,
        images,
        imports,
        info,
        locations,
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
    from cumulet.services.image.service import image

    return image
