"""The guests of this node: `ensure` one, make one `absent`, `observe` all. Everything else here serves these three.

Safe to kill at any instant: each step leaves either what was or what is wanted, and a second `ensure` goes on from
there. Must never touch a domain that does not carry this node's mark.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from cumulet.desired.guest import Guest
from cumulet.node.guest import console, domain, host, journal, kvmprobe, power
from cumulet.node.guest.connection import Connection, EventCallback, explain
from cumulet.node.guest.domains import Domains, Now
from cumulet.node.guest.errors import GuestError, from_os_error
from cumulet.node.guest.homes import Homes, is_id
from cumulet.node.guest.hypervisor_daemon import HypervisorDaemon
from cumulet.node.guest.images import Fetch, ImageCache
from cumulet.node.guest.local import Found, LocalGuest, WantedGuest, plan
from cumulet.node.guest.locks import Locks
from cumulet.node.guest.parts import assemble
from cumulet.node.guest.parts.part import Tools

T = TypeVar("T")
_TRIM_MS = 5000
_SCREENSHOT_BYTES = 16 << 20


class GuestFacts(msgspec.Struct, omit_defaults=True, kw_only=True):
    """What is known of a guest. `state` is ready, or working while it is being switched off: then `again_in` says in
    how many seconds to call ensure() again (an event may come sooner). `power_state`: running, shutdown, paused,
    crashed. `vnc` is the path of the screen's socket while it runs."""

    id: str
    name: str
    state: str = "ready"
    power_state: str = "shutdown"
    hard_reboots: int = 0
    soft_reboots: int = 0
    vnc: str | None = None
    again_in: float | None = None


class Guests:
    """All guests of one node; every method may be called from any thread.

    `state` is the node's folder (instances/, images/, vnc/ lie in it), `fetch_image` gives the bytes of an image id,
    `virt_type` is kvm or qemu, `console_group` the group id that may connect to screens.
    """

    def __init__(
        self,
        state: Path,
        daemon: HypervisorDaemon,
        fetch_image: Fetch,
        virt_type: str,
        console_group: int | None = None,
    ) -> None:
        self._state = state
        kvm_group = kvmprobe.group() if virt_type == "kvm" else None
        self._homes = Homes(state, shared_group=kvm_group is not None)
        console.prepare_folder(state / "vnc", console_group)
        self.images = ImageCache(state / "images", unprivileged=True)
        self.shutdowns = power.Shutdowns()
        self._connection = Connection(daemon)
        self._libvirt = self._connection.libvirt
        self._domains = Domains(self._libvirt, self._homes.owner)
        tools = Tools(
            self._libvirt, daemon, self._homes, self._domains, self.images, fetch_image, self.shutdowns,
            virt_type, kvm_group, console_group,
        )  # fmt: skip
        self.parts = assemble(tools)
        self._locks = Locks()
        self._connection.subscribe(self._remember_event)
        self._connection.every(_TRIM_MS, self._trim_logs)

    # ---- the three -----------------------------------------------------------------------------------------

    def ensure(self, spec: Guest, interfaces_ready: Callable[[], None] = lambda: None) -> GuestFacts:
        """Bring the guest to `spec`. `interfaces_ready` is called just before a start: taps exist after it.

        It may be called again when libvirt dies meanwhile. Raises GuestError.
        """
        domain.check(spec)
        with self._locks.alone(spec.id):
            return self._ask(lambda conn: self._ensure(conn, spec, interfaces_ready), "start")

    def absent(self, id_or_name: str) -> None:
        """Remove the guest and all that belongs to it. Safe first, twice, and for one never seen. Raises GuestError."""
        uuid = self._uuid_of(id_or_name)
        if uuid is None:
            return
        with self._locks.alone(uuid):
            self._ask(lambda conn: self._absent(conn, uuid), "remove")

    def observe(self) -> list[GuestFacts]:
        """Facts of every domain that is ours. Raises GuestError."""

        def look(connection: Any) -> list[GuestFacts]:
            seen = ((now.domain.UUIDString(), now) for now in self._domains.all(connection))
            return [self._facts(self._local(connection, uuid, journal.Journal(), now)) for uuid, now in seen]

        return self._ask(look, "list")

    def leftovers(self) -> list[str]:
        """Ids that have a folder and no domain: made half and then forgotten, or being made right now."""
        domains = {one.id for one in self.observe()}
        return [name for name in self.folders() if name not in domains]

    def folders(self) -> list[str]:
        """Ids of guests that have a folder here."""
        return self._homes.ids()

    def switch_off(self, limit_s: float) -> tuple[int, int]:
        """The host goes down: press the button of every guest that runs, and pull the plug after `limit_s` seconds. The
        next ensure() starts them again. How many ran, and how many did not obey. Raises GuestError. It waits: nobody
        else may work on the guests meanwhile."""
        waiting = [facts.id for facts in self.observe() if facts.power_state != "shutdown"]
        for uuid in waiting:
            notes = journal.read(self._homes.folder(uuid))
            if notes.power == "on" and not notes.left_by_itself:
                notes.host_ended = True
                journal.write(self._homes.folder(uuid), notes)
        return self._ask(
            lambda conn: power.switch_off([self._ours(conn, uuid) for uuid in waiting], self._libvirt, limit_s), "end"
        )

    # ---- questions -----------------------------------------------------------------------------------------

    def console_log(self, uuid: str, length: int | None = None) -> bytes:
        """The last `length` lines of the serial log, 100 KiB at most."""
        return console.read(self._homes.folder(uuid), length)

    def screenshot(self, uuid: str) -> bytes:
        """The screen as a picture (PNG). Raises GuestError, also when the guest is off."""

        def shoot(connection: Any) -> bytes:
            stream = connection.newStream()
            self._ours(connection, uuid).screenshot(stream, 0, 0)
            picture = bytearray()
            while len(picture) < _SCREENSHOT_BYTES and (part := stream.recv(1 << 18)):
                picture += part
            stream.finish()
            return bytes(picture)

        return self._ask(shoot, "show the screen of")

    def diagnostics(self, uuid: str) -> dict[str, Any]:
        """Libvirt's statistics of the guest, by libvirt's names. Raises GuestError."""

        def read(connection: Any) -> dict[str, Any]:
            return dict(connection.domainListGetStats([self._ours(connection, uuid)], 0, 0)[0][1])

        return self._ask(read, "read statistics of")

    def host_numbers(self) -> host.HostNumbers:
        """What the host has. Raises GuestError."""
        return self._ask(lambda conn: host.measure(conn, self._state), "measure the host of")

    def events(self, callback: EventCallback) -> None:
        """Have `callback(uuid, event)` called, from now on and in another thread, when a guest is started, shutdown (by
        itself or by us), destroyed, crashed, paused or resumed. It must not call back into this class there."""
        self._connection.subscribe(callback)

    def sweep_images(self, also_keep: set[str] | None = None) -> list[str]:
        """Remove cached images that no disk here is built upon; the removed names."""
        keep = set(also_keep or ())
        for folder in self._homes.folders():
            keep.update(journal.read(folder).images)
        return self.images.sweep(keep)

    def close(self) -> None:
        """Give up the connection; guests and daemon run on."""
        self._connection.close()

    # ---- converging ----------------------------------------------------------------------------------------

    def _ensure(self, connection: Any, spec: Guest, interfaces_ready: Callable[[], None]) -> GuestFacts:
        now, folder = self._domains.find(connection, spec.id), self._homes.folder(spec.id)
        notes = journal.read(folder)
        shut_down = now is not None and now.reason == self._libvirt.VIR_DOMAIN_SHUTOFF_SHUTDOWN
        guest = WantedGuest(
            spec.id, connection, folder, self._homes.socket(spec.id), notes, now,
            spec=spec, plan=plan(spec, now, notes, shut_down=shut_down), interfaces_ready=interfaces_ready,
        )  # fmt: skip
        found = Found()
        for part in self.parts:
            part.ensure(guest, found)
            if guest.again_in is not None:
                break
        return self._facts(guest)

    def _absent(self, connection: Any, uuid: str) -> None:
        notes, now = journal.read(self._homes.folder(uuid)), self._domains.mine(connection, uuid)
        guest = self._local(connection, uuid, notes, now)
        for part in reversed(self.parts):
            part.absent(guest)

    def _local(self, connection: Any, uuid: str, notes: journal.Journal, now: Now | None) -> LocalGuest:
        return LocalGuest(uuid, connection, self._homes.folder(uuid), self._homes.socket(uuid), notes, now)

    def _facts(self, guest: LocalGuest) -> GuestFacts:
        known: dict[str, Any] = {}
        for part in self.parts:
            known |= part.facts(guest)
        return GuestFacts(**known)

    def _ours(self, connection: Any, uuid: str) -> Any:
        """The domain of that id, of those that are ours and of no other. Raises GuestError."""
        self._homes.folder(uuid)
        now = self._domains.find(connection, uuid)
        if now is None:
            raise GuestError("The server is not running on this host.", uuid)
        return now.domain

    def _uuid_of(self, id_or_name: str) -> str | None:
        if is_id(id_or_name):
            return id_or_name
        for one in self.observe():
            if one.name == id_or_name:
                return one.id
        for folder in self._homes.folders():
            if journal.read(folder).name == id_or_name:
                return folder.name
        return None

    # ---- small things --------------------------------------------------------------------------------------

    def _ask(self, work: Callable[[Any], T], doing: str) -> T:
        try:
            return self._connection.call(work)
        except self._libvirt.libvirtError as error:
            raise explain(error, doing) from error
        except OSError as error:
            raise from_os_error(error, doing) from error

    def _remember_event(self, uuid: str, event: str) -> None:
        """In the event thread: libvirt forgets, when restarted, why a guest is off."""
        if event != "shutdown" or not is_id(uuid) or self.shutdowns.under_way(uuid):
            return
        notes = journal.read(self._homes.folder(uuid))
        if notes.power == "on" and not notes.host_ended:
            notes.left_by_itself = True
            journal.write(self._homes.folder(uuid), notes)

    def _trim_logs(self) -> None:
        with suppress(OSError):  # the folder may be on its way out
            for folder in self._homes.folders():
                console.trim(folder)
