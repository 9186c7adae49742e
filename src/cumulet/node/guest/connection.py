"""One connection to libvirt for the whole node: opened when needed, opened again when the daemon died.

Also runs libvirt's event loop in a thread, without which a dead daemon would not be noticed. Must never be used from
inside an event callback: libvirt would wait for itself.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol, TypeVar

from cumulet.node.guest import libvirt_binding
from cumulet.node.guest.errors import GuestError, HypervisorDown

LOG = logging.getLogger(__name__)
T = TypeVar("T")
EventCallback = Callable[[str, str], None]


class Daemon(Protocol):
    """What the connection needs of whoever keeps libvirtd running."""

    def ensure(self) -> str:
        """The URI of a libvirtd that answers."""


_loop_guard = threading.Lock()
_loop: threading.Thread | None = None


def _start_event_loop(libvirt: Any) -> None:
    """Libvirt knows one event loop per process; it must exist before a connection is opened."""
    global _loop
    with _loop_guard:
        if _loop is not None:
            return
        libvirt.virEventRegisterDefaultImpl()
        # Errors come back as exceptions; by default they would be printed as well.
        libvirt.registerErrorHandler(lambda _context, _error: None, None)

        def run() -> None:
            while True:
                try:
                    libvirt.virEventRunDefaultImpl()
                except libvirt.libvirtError:
                    LOG.warning("libvirt's event loop failed once", exc_info=True)

        _loop = threading.Thread(target=run, name="libvirt-events", daemon=True)
        _loop.start()


class Connection:
    """`call` runs a function with an open connection, from any thread."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._lock = threading.Lock()
        self._open: Any = None
        self._callbacks: list[EventCallback] = []
        self._timers: list[int] = []
        self.libvirt: Any = libvirt_binding.load()

    def call(self, work: Callable[[Any], T]) -> T:
        """`work`'s answer. It is run a second time when the daemon died under the first: it must bear that.

        Raises HypervisorDown, or libvirt's own error when libvirt answered with one.
        """
        connection = self._connected()
        try:
            return work(connection)
        except self.libvirt.libvirtError as error:
            if not self._lost(connection, error):
                raise
        self._forget(connection)
        try:
            return work(self._connected())
        except self.libvirt.libvirtError as error:
            if self._is_transport(error):
                raise HypervisorDown("The host's hypervisor is not available.", str(error)) from error
            raise

    def subscribe(self, callback: EventCallback) -> None:
        """Have `callback(uuid, event)` called, in the event thread, on every lifecycle event of every domain."""
        with self._lock:
            self._callbacks.append(callback)

    def every(self, milliseconds: int, work: Callable[[], None]) -> None:
        """Run `work` in the event thread again and again; it must be short and must not raise."""
        _start_event_loop(self.libvirt)
        timer = self.libvirt.virEventAddTimeout(milliseconds, lambda _timer, _opaque: work(), None)
        with self._lock:
            self._timers.append(timer)

    def close(self) -> None:
        """Give the connection and the timers up; the next call opens another connection."""
        with self._lock:
            self._drop()
            while self._timers:
                self.libvirt.virEventRemoveTimeout(self._timers.pop())

    def _connected(self) -> Any:
        with self._lock:
            if self._open is not None and self._open.isAlive():
                return self._open
            self._drop()
            _start_event_loop(self.libvirt)
            self._open = self._open_anew()
            return self._open

    def _open_anew(self) -> Any:
        """A daemon that is just being killed may still take a connection, and drop it: then once more."""
        error: Any = None
        for pause in (0.05, 0.2, 0):
            uri = self._daemon.ensure()
            try:
                connection = self.libvirt.open(uri)
                connection.setKeepAlive(5, 3)
                connection.domainEventRegisterAny(
                    None, self.libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, self._on_lifecycle, None
                )
                return connection
            except self.libvirt.libvirtError as failed:
                error = failed
                time.sleep(pause)
        raise HypervisorDown("The host's hypervisor is not available.", str(error)) from error

    def _lost(self, connection: Any, error: Any) -> bool:
        return self._is_transport(error) or not connection.isAlive()

    def _is_transport(self, error: Any) -> bool:
        code, domain = error.get_error_code(), error.get_error_domain()
        known = self.libvirt
        return domain == known.VIR_FROM_RPC and code in (
            known.VIR_ERR_SYSTEM_ERROR,
            known.VIR_ERR_INTERNAL_ERROR,
            known.VIR_ERR_RPC,
        )

    def _forget(self, connection: Any) -> None:
        with self._lock:
            if self._open is connection:
                self._drop()

    def _drop(self) -> None:
        old, self._open = self._open, None
        if old is not None:
            with suppress(self.libvirt.libvirtError):
                old.close()

    def _on_lifecycle(self, _connection: Any, domain: Any, event: int, detail: int, _opaque: Any) -> None:
        name = self._event_name(event, detail)
        if name is None:
            return
        for callback in list(self._callbacks):
            try:
                callback(domain.UUIDString(), name)
            except Exception:
                LOG.exception("a callback failed on event %s", name)

    def _event_name(self, event: int, detail: int) -> str | None:
        known = self.libvirt
        if event == known.VIR_DOMAIN_EVENT_STOPPED:
            if detail == known.VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN:
                return "shutdown"
            return "destroyed" if detail == known.VIR_DOMAIN_EVENT_STOPPED_DESTROYED else "crashed"
        names = {
            known.VIR_DOMAIN_EVENT_STARTED: "started",
            known.VIR_DOMAIN_EVENT_SUSPENDED: "paused",
            known.VIR_DOMAIN_EVENT_RESUMED: "resumed",
            known.VIR_DOMAIN_EVENT_CRASHED: "crashed",
        }
        return names.get(event)


def explain(error: Any, doing: str) -> GuestError:
    """The GuestError for an error that libvirt answered with."""
    text = str(error)
    if "No space left" in text:
        return GuestError("The host has no space left for the server's disk.", f"{doing}: {text}")
    if "annot allocate memory" in text or "cannot set up guest memory" in text:
        return GuestError("The host has not enough memory left for the server.", f"{doing}: {text}")
    return GuestError(f"The host could not {doing} the server.", text)
