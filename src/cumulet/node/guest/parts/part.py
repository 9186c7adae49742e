"""What every part of a guest has: three functions, and the host's tools."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cumulet.node.guest.domains import Domains
from cumulet.node.guest.homes import Homes
from cumulet.node.guest.hypervisor_daemon import HypervisorDaemon
from cumulet.node.guest.images import Fetch, ImageCache
from cumulet.node.guest.local import Found, LocalGuest, WantedGuest
from cumulet.node.guest.power import Shutdowns


@dataclass(frozen=True)
class Tools:
    """What the parts of all guests of a host share. `fetch` gives the bytes of an image id; `virt_type` is kvm or qemu;
    `kvm_group` may open /dev/kvm; `console_group` may connect to screens."""

    libvirt: Any
    daemon: HypervisorDaemon
    homes: Homes
    domains: Domains
    images: ImageCache
    fetch: Fetch
    shutdowns: Shutdowns
    virt_type: str
    kvm_group: int | None
    console_group: int | None


class Part:
    """One part. Every method is safe twice, and after a process that was killed anywhere in it.

    They raise GuestError, OSError, and libvirt's errors.
    """

    def __init__(self, tools: Tools) -> None:
        self.tools = tools

    def ensure(self, guest: WantedGuest, found: Found) -> None:
        """Make this part as the guest's plan needs it, of what the parts before have found. One that has to wait sets
        `guest.again_in`: then those after it are not asked."""

    def absent(self, guest: LocalGuest) -> None:
        """Remove this part, all those after it being gone; safe when nothing was ever made."""

    def facts(self, guest: LocalGuest) -> dict[str, Any]:
        """Fields of `GuestFacts` that this part knows, of a guest that has a domain."""
        return {}
