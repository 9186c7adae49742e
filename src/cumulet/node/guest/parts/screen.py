"""The screen of a guest that runs: its socket, out of QEMU's reach and open to the console proxy."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from cumulet.node.guest import console
from cumulet.node.guest.local import Found, LocalGuest, Plan, WantedGuest
from cumulet.node.guest.parts.part import Part


class Screen(Part):
    """See `Part`. `Console` removes the socket, when nothing listens there any more."""

    def ensure(self, guest: WantedGuest, found: Found) -> None:
        """Adopt the socket that QEMU has made."""
        if guest.starting or guest.plan is Plan.KEEP:
            with suppress(FileNotFoundError):  # the guest is on its way out
                user = found.user or self.tools.homes.user(guest.id)
                console.adopt_screen(guest.socket, user, self.tools.console_group)

    def facts(self, guest: LocalGuest) -> dict[str, Any]:
        """The path of the socket, while it runs."""
        return {"vnc": str(guest.socket)} if guest.now is not None and guest.now.active else {}
