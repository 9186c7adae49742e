"""A guest's own folder, its user and its journal: there before all that is in it, and gone after it."""

from __future__ import annotations

from cumulet.node import trees, users
from cumulet.node.guest.errors import GuestError, from_os_error
from cumulet.node.guest.local import Found, LocalGuest, WantedGuest
from cumulet.node.guest.parts.part import Part


class Folder(Part):
    """See `Part`."""

    def ensure(self, guest: WantedGuest, found: Found) -> None:
        """Make it, and note the guest's name and its images, which the cache keeps as long as it is there."""
        if not guest.building:
            return
        folder, image = guest.folder, guest.spec.image
        folder.mkdir(parents=True, exist_ok=True)
        if (closed := users.closed(folder)) is not None:
            raise GuestError("The host is not set up properly.", f"{closed} is closed to guests: chmod o+x {closed}")
        images = [] if image is None else [one.id for one in (image, image.kernel, image.ramdisk) if one]
        guest.note(name=guest.spec.name, images=images)
        found.user = self.tools.homes.user(guest.id)

    def absent(self, guest: LocalGuest) -> None:
        """Remove it with all that is in it, finished or not."""
        try:
            trees.remove(guest.folder)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise from_os_error(error, str(guest.folder)) from error
