"""Operations of image; importing this package registers them all."""

from cumulet.services.image.api import data, downloads, images, info, members, schemas, tags, versions

__all__ = ["data", "downloads", "images", "info", "members", "schemas", "tags", "versions"]
