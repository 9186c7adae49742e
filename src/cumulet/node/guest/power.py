"""Graceful shutdown, a little at a time: the button is pressed again and again until a deadline, then the plug goes.

A press before the guest's own software listens is lost, hence the repetition. Must never wait: each call does what is
due now and says when it wants to be called again. (The end of the host is waited for, by `switch_off`.)
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_LOOK_S = 0.1


@dataclass
class _Stop:
    deadline: float
    next_press: float


class Shutdowns:
    """The shutdowns under way. `limit_s` is the guest's time to comply, `repeat_s` the pause between presses."""

    def __init__(self, limit_s: float = 60.0, repeat_s: float = 5.0) -> None:
        self.limit_s = limit_s
        self.repeat_s = repeat_s
        self._under_way: dict[str, _Stop] = {}
        self._lock = threading.Lock()

    def advance(self, domain: Any, libvirt: Any) -> float | None:
        """Press the button when due, destroy when time is up. None: it is off; else seconds until the next call."""
        now = time.monotonic()
        key = domain.UUIDString()
        with self._lock:
            stop = self._under_way.setdefault(key, _Stop(now + self.limit_s, now))
        if not domain.isActive():
            self.forget(key)
            return None
        if now >= stop.deadline:
            destroy(domain, libvirt)
            self.forget(key)
            return None
        if now >= stop.next_press:
            stop.next_press = now + self.repeat_s
            try:
                domain.shutdownFlags(libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN)
            except libvirt.libvirtError as error:
                if not ended(error, libvirt):
                    raise
        return max(0.05, min(stop.next_press, stop.deadline) - now)

    def under_way(self, uuid: str) -> bool:
        """Whether we are switching this guest off."""
        with self._lock:
            return uuid in self._under_way

    def forget(self, uuid: str) -> None:
        """The guest is off, or no longer to be."""
        with self._lock:
            self._under_way.pop(uuid, None)


def switch_off(domains: Sequence[Any], libvirt: Any, limit_s: float) -> tuple[int, int]:
    """Switch all of them off side by side, and wait: how many ran, and how many were destroyed after `limit_s`."""
    presses, deadline = Shutdowns(limit_s=float("inf")), time.monotonic() + limit_s
    waiting = [domain for domain in domains if domain.isActive()]
    ran = len(waiting)
    while waiting and time.monotonic() < deadline:
        for domain in waiting:
            presses.advance(domain, libvirt)
        time.sleep(_LOOK_S)
        waiting = [domain for domain in waiting if domain.isActive()]
    for domain in waiting:
        destroy(domain, libvirt)
    return ran, len(waiting)


def destroy(domain: Any, libvirt: Any) -> None:
    """End the guest's QEMU at once; fine when it has ended already."""
    try:
        domain.destroy()
    except libvirt.libvirtError as error:
        if not ended(error, libvirt):
            raise


def ended(error: Any, libvirt: Any) -> bool:
    """Whether libvirt's error says that the domain is not running or not there."""
    return error.get_error_code() in (libvirt.VIR_ERR_OPERATION_INVALID, libvirt.VIR_ERR_NO_DOMAIN)
