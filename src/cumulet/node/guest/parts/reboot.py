"""A reboot's first half: what runs is ended, so that the parts after this one make and start it anew."""

from __future__ import annotations

from cumulet.node.guest import power
from cumulet.node.guest.local import Found, LocalGuest, Plan, WantedGuest
from cumulet.node.guest.parts.part import Part


class Reboot(Part):
    """See `Part`."""

    def ensure(self, guest: WantedGuest, found: Found) -> None:
        """End it at once, or ask it to end, a little at a time."""
        if guest.plan not in (Plan.RESET, Plan.REBOOT) or guest.now is None:
            return
        guest.note_off()
        if guest.plan is Plan.RESET:
            power.destroy(guest.now.domain, self.tools.libvirt)
        else:
            guest.again_in = self.tools.shutdowns.advance(guest.now.domain, self.tools.libvirt)

    def absent(self, guest: LocalGuest) -> None:
        """It is not being switched off any more."""
        self.tools.shutdowns.forget(guest.id)
