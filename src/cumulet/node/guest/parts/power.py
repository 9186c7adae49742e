"""Whether a guest runs: it is started, kept running, or switched off a little at a time.

Why it is off is in the guest's journal, as libvirt forgets that when it is restarted.
"""

from __future__ import annotations

from typing import Any

from cumulet.node.guest import power
from cumulet.node.guest.errors import GuestError
from cumulet.node.guest.local import Found, LocalGuest, Plan, WantedGuest
from cumulet.node.guest.parts.part import Part


class Power(Part):
    """See `Part`."""

    def ensure(self, guest: WantedGuest, found: Found) -> None:
        """Do what the plan says; what stays off by its own wish is left alone."""
        if guest.starting:
            self._start(guest, found)
        elif guest.plan is Plan.KEEP:
            self._keep(guest)
        elif guest.plan is Plan.REST:
            self._rest(guest)

    def _start(self, guest: WantedGuest, found: Found) -> None:
        guest.interfaces_ready()
        found.domain.create()
        self.tools.shutdowns.forget(guest.id)
        guest.note(power="on", left_by_itself=False, host_ended=False)
        guest.now = self.tools.domains.now(found.domain)
        if guest.now is None:
            raise GuestError("The server ended as soon as it was started.", guest.id)

    def _keep(self, guest: WantedGuest) -> None:
        known, now = self.tools.libvirt, guest.now
        if now is not None and (now.state, now.reason) == (known.VIR_DOMAIN_PAUSED, known.VIR_DOMAIN_PAUSED_IOERROR):
            now.domain.resume()  # it was stopped when the disk was full: perhaps there is room again
            guest.now = self.tools.domains.now(now.domain) or now
        if not self.tools.shutdowns.under_way(guest.id):
            guest.note(power="on", left_by_itself=False, host_ended=False)

    def _rest(self, guest: WantedGuest) -> None:
        now = guest.now = guest.now or self.tools.domains.find(guest.connection, guest.id)
        if now is None:
            raise GuestError("The host could not define the server.", guest.id)
        guest.note_off()
        if now.active:
            guest.again_in = self.tools.shutdowns.advance(now.domain, self.tools.libvirt)
            guest.now = self.tools.domains.now(now.domain) or now
        else:
            self.tools.shutdowns.forget(guest.id)

    def absent(self, guest: LocalGuest) -> None:
        """End its QEMU at once, if it is ours."""
        if guest.now is not None:
            power.destroy(guest.now.domain, self.tools.libvirt)

    def facts(self, guest: LocalGuest) -> dict[str, Any]:
        """Whether it runs, and whether it is on its way to be off."""
        if guest.now is None:
            return {}
        known, now = self.tools.libvirt, guest.now
        names = {known.VIR_DOMAIN_PAUSED: "paused", known.VIR_DOMAIN_CRASHED: "crashed"}
        return {
            "state": "ready" if guest.again_in is None else "working",
            "power_state": names.get(now.state, "running" if now.active else "shutdown"),
            "again_in": guest.again_in,
        }
