"""What a guest writes to as soon as it starts: an empty serial log, and the place of its screen's socket."""

from __future__ import annotations

from cumulet.node.guest import console
from cumulet.node.guest.local import Found, LocalGuest, WantedGuest
from cumulet.node.guest.parts.part import Part


class Console(Part):
    """See `Part`."""

    def ensure(self, guest: WantedGuest, found: Found) -> None:
        """Before a start: both anew."""
        if guest.starting and found.user is not None:
            console.expect_screen(guest.socket, found.user)
            console.start_anew(guest.folder)

    def absent(self, guest: LocalGuest) -> None:
        """Remove both; nobody writes into them any more."""
        console.screen_absent(guest.socket)
        (guest.folder / console.LOG_NAME).unlink(missing_ok=True)
