"""What tests with real guests share: a host of the test's own, and guests that are a boot sector."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from cumulet.desired.guest import Guest
from cumulet.node.guest.guests import GuestFacts, Guests
from cumulet.node.guest.hypervisor_daemon import HypervisorDaemon
from tests.node.guest import bootsector

GROUP = 4242
Mount = Callable[..., None]
KINDS = ("obeys", "ignores", "leaves", "fills")


def fetch(image_id: str) -> Iterable[bytes]:
    for kind in KINDS:
        if bootsector.image(kind).id == image_id:
            return [bootsector.disk(kind)]
    raise AssertionError(image_id)


def spec(number: int = 1, kind: str = "obeys", **changes: Any) -> Guest:
    fields: dict[str, Any] = {
        "id": f"33333333-3333-4333-8333-{number:012x}", "name": f"instance-{number:08x}", "display_name": "web",
        "vcpus": 1, "memory_mb": 32, "root_gb": 1, "image": bootsector.image(kind),
    }  # fmt: skip
    return Guest(**{**fields, **changes})


def until(condition: Callable[[], Any], seconds: float = 30) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError("waited in vain")


def qemus() -> list[int]:
    """Process ids of all guests in this test's host."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (entry / "comm").read_text().startswith("qemu-system"):
                found.append(int(entry.name))
        except OSError:
            continue
    return sorted(found)


class Host:
    """A state folder with its daemon and the parts that work on it."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.daemon = HypervisorDaemon(state, private=True)
        self.parts = self.restarted()

    def restarted(self) -> Guests:
        self.parts = Guests(self.state, self.daemon, fetch, "qemu", GROUP)
        self.parts.shutdowns.limit_s, self.parts.shutdowns.repeat_s = 3.0, 0.3
        return self.parts

    def settle(self, wanted: Guest) -> GuestFacts:
        return until(lambda: (facts := self.parts.ensure(wanted)).state == "ready" and facts)

    def says_hello(self, guest: Guest) -> None:
        until(lambda: bootsector.HELLO in self.parts.console_log(guest.id))

    def nothing_left(self) -> None:
        assert qemus() == []
        assert self.parts.observe() == []
        assert list((self.state / "instances").iterdir()) == []
        assert list((self.state / "vnc").iterdir()) == []
        assert not list((self.state / "libvirt").glob("log/qemu/instance-*"))
        assert not list((self.state / "libvirt").glob("etc/qemu/instance-*"))
