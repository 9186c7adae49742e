"""Libvirt's domain of a guest: defined when all that it refers to is in place, before anything is started."""

from __future__ import annotations

from typing import Any

from cumulet.node.guest import console
from cumulet.node.guest import domain as xml
from cumulet.node.guest.errors import GuestError
from cumulet.node.guest.local import Found, LocalGuest, WantedGuest
from cumulet.node.guest.parts.part import Part
from cumulet.node.users import User


class Domain(Part):
    """See `Part`."""

    def ensure(self, guest: WantedGuest, found: Found) -> None:
        """Define it, or define it anew."""
        if not guest.building:
            return
        if found.user is None:
            raise GuestError("The host could not define the server.", f"{guest.id} has no user")
        group, tools = self.tools.kvm_group, self.tools
        user = found.user if group is None else User(found.user.uid, group)
        nest = console.screen_nest(guest.socket)
        place = xml.Place(tools.homes.owner, guest.folder, nest, user, tools.virt_type)
        properties = {} if guest.spec.image is None else guest.spec.image.properties
        line = properties.get("os_command_line", xml.COMMAND_LINE)
        boot = xml.Boot(found.disks, found.drive, found.kernel, found.ramdisk, line)
        found.domain = guest.connection.defineXML(xml.render(guest.spec, place, boot))

    def absent(self, guest: LocalGuest) -> None:
        """Undefine it if it is ours, and remove QEMU's log."""
        name = guest.notes.name
        if guest.now is not None:
            name = str(guest.now.domain.name())
            self._undefine(guest.now.domain)
        if name:
            (self.tools.daemon.qemu_log_folder / f"{name}.log").unlink(missing_ok=True)

    def _undefine(self, domain: Any) -> None:
        known = self.tools.libvirt
        flags = known.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | known.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
        try:
            domain.undefineFlags(flags | known.VIR_DOMAIN_UNDEFINE_NVRAM)
        except known.libvirtError as error:
            if error.get_error_code() != known.VIR_ERR_NO_DOMAIN:
                raise

    def facts(self, guest: LocalGuest) -> dict[str, Any]:
        """Who it is, and under which counters it was defined."""
        if guest.now is None:
            return {}
        mark = guest.now.mark
        return {
            "id": guest.id,
            "name": guest.now.domain.name(),
            "hard_reboots": mark.hard_reboots,
            "soft_reboots": mark.soft_reboots,
        }
