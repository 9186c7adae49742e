"""Operations of image; importing this package registers them all."""

from cumulet.services.image.api import data, images, info, members, schemas, tags, versions

__all__ = ["data", "images", "info", "members", "schemas", "tags", "versions"]
