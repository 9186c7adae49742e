"""One guest while a thread works on it: what it is here, what it shall become, and what its parts have made so far."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path
from typing import Any

from cumulet.desired.guest import Guest
from cumulet.node.guest import journal
from cumulet.node.guest.domain import Disk
from cumulet.node.guest.domains import Now
from cumulet.node.guest.images import BaseImage
from cumulet.node.users import User


class Plan(Enum):
    """What is to be done so that a guest is as it is wanted."""

    REST = auto()
    """It shall be off; it is defined, so that it is known."""
    KEEP = auto()
    """It runs as it shall."""
    LEAVE = auto()
    """It switched itself off, and stays so until somebody asks for it again."""
    START = auto()
    RESET = auto()
    """Ended at once, then started: a hard reboot."""
    REBOOT = auto()
    """Asked to end, then started: a soft reboot."""


@dataclass
class LocalGuest:
    """A guest on this host. `connection` is libvirt's; `now` is its domain, None without one that is ours; `again_in`:
    it is on its way, and is to be looked at again in so many seconds."""

    id: str
    connection: Any
    folder: Path
    socket: Path
    notes: journal.Journal
    now: Now | None
    again_in: float | None = None

    def note(self, **changes: Any) -> None:
        """Write into its journal what has changed. Raises GuestError."""
        if any(getattr(self.notes, name) != value for name, value in changes.items()):
            for name, value in changes.items():
                setattr(self.notes, name, value)
            journal.write(self.folder, self.notes)

    def note_off(self) -> None:
        """Written before the button is pressed, so that the guest's obedience is not taken for its own wish."""
        self.note(power="off", left_by_itself=False)


@dataclass
class WantedGuest(LocalGuest):
    """One that shall be as `spec` says. `interfaces_ready` is called just before a start: taps exist after it."""

    spec: Guest = field(kw_only=True)
    plan: Plan = field(kw_only=True)
    interfaces_ready: Callable[[], None] = field(kw_only=True)

    @property
    def starting(self) -> bool:
        """Whether a QEMU is to be started."""
        return self.plan in (Plan.START, Plan.RESET, Plan.REBOOT)

    @property
    def building(self) -> bool:
        """Whether all that a domain refers to must be in place, and the domain defined."""
        return self.starting or (self.plan is Plan.REST and self.now is None)


@dataclass
class Found:
    """What a guest's parts have made or found, for those after them. All of it is there when it is `building`."""

    base: BaseImage | None = None
    kernel: Path | None = None
    ramdisk: Path | None = None
    user: User | None = None
    disks: list[Disk] = field(default_factory=list)
    drive: Path | None = None
    domain: Any = None


def plan(spec: Guest, now: Now | None, notes: journal.Journal, *, shut_down: bool) -> Plan:
    """What is to be done. `shut_down`: libvirt says of a domain that is off that the guest itself ended it."""
    if spec.power == "off":
        return Plan.REST
    if now is None:
        return Plan.START
    reset, rebooted = spec.hard_reboots > now.mark.hard_reboots, spec.soft_reboots > now.mark.soft_reboots
    if now.active:
        return Plan.RESET if reset else Plan.REBOOT if rebooted else Plan.KEEP
    by_itself = notes.power == "on" and not notes.host_ended and (notes.left_by_itself or shut_down)
    return Plan.LEAVE if by_itself and not (reset or rebooted) else Plan.START
