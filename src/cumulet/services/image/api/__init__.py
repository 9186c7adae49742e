"""Operations of image; importing this package registers them all."""

from cumulet.services.image.api import data, images

__all__ = ["data", "images"]
