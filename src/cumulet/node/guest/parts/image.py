"""The image that a guest boots from, checked and in this host's cache. It is all guests' and stays when one goes."""

from __future__ import annotations

from cumulet.node.guest.errors import ImageRefused
from cumulet.node.guest.local import Found, WantedGuest
from cumulet.node.guest.parts.part import Part


class Image(Part):
    """See `Part`."""

    def ensure(self, guest: WantedGuest, found: Found) -> None:
        """Fetch and check what is not here yet: the image, and the kernel and ramdisk of a bare file system."""
        if not guest.building:
            return
        image, cache, fetch = guest.spec.image, self.tools.images, self.tools.fetch
        if image is None:
            raise ImageRefused("The server has nothing to boot from.")
        found.base = cache.ensure_base(image, fetch)
        found.kernel = cache.ensure_loose(image.kernel, fetch) if image.kernel else None
        found.ramdisk = cache.ensure_loose(image.ramdisk, fetch) if image.ramdisk else None
