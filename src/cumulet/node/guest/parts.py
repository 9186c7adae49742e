"""The guests of this node: `ensure` one, make one `absent`, `observe` all. Everything else here serves these three.

Safe to kill at any instant: each step leaves either what was or what is wanted, and a second `ensure` goes on from
there. Must never touch a domain that does not carry this node's mark.
"""

from __future__ import annotations

import os
import re
import threading
import uuid as uuids
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from cumulet.desired.guest import Guest
from cumulet.node import users
from cumulet.node.guest import console, disk, domain, host, journal, kvmprobe, power, seed
from cumulet.node.guest.connection import Connection, EventCallback, explain
from cumulet.node.guest.errors import GuestError, ImageRefused, from_os_error
from cumulet.node.guest.hypervisor_daemon import HypervisorDaemon
from cumulet.node.guest.images import Fetch, ImageCache

T = TypeVar("T")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TRIM_MS = 5000
_SOCKET_BYTES = 107  # the kernel's limit for the path of a unix socket
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


class _Now(msgspec.Struct):
    """A domain as it is: libvirt's object, its state and reason, and our mark."""

    domain: Any
    active: bool
    state: int
    reason: int
    mark: domain.Mark


class GuestParts:
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
        self._daemon = daemon
        self._fetch = fetch_image
        self._virt_type = virt_type
        self._group = console_group
        self._instances = state / "instances"
        self._instances.mkdir(parents=True, exist_ok=True)
        self._instances.chmod(0o711)  # each guest's user passes to its own folder
        if len(os.fsencode(self._socket("0" * 36))) > _SOCKET_BYTES:
            raise GuestError("The host is not set up properly.", f"{state}: too long for the names of sockets in it")
        console.prepare_folder(state / "vnc", console_group)
        self._owner = _owner(state)
        self._kvm_group = kvmprobe.group() if virt_type == "kvm" else None
        self.images = ImageCache(state / "images", unprivileged=True)
        self.shutdowns = power.Shutdowns()
        self._connection = Connection(daemon)
        self._libvirt = self._connection.libvirt
        self._locks: dict[str, tuple[threading.Lock, int]] = {}
        self._guard = threading.Lock()
        self._connection.subscribe(self._remember_event)
        self._connection.every(_TRIM_MS, self._trim_logs)

    # ---- the three -----------------------------------------------------------------------------------------

    def ensure(self, spec: Guest, interfaces_ready: Callable[[], None] = lambda: None) -> GuestFacts:
        """Bring the guest to `spec`. `interfaces_ready` is called just before a start: taps exist after it.

        It may be called again when libvirt dies meanwhile. Raises GuestError.
        """
        domain.check(spec)
        with self._alone(spec.id):
            return self._ask(lambda conn: self._converge(conn, spec, interfaces_ready), "start")

    def absent(self, id_or_name: str) -> None:
        """Remove the guest and all that belongs to it. Safe first, twice, and for one never seen. Raises GuestError."""
        uuid = self._uuid_of(id_or_name)
        if uuid is None:
            return
        with self._alone(uuid):
            name = self._ask(lambda conn: self._remove_domain(conn, uuid), "remove")
            folder = self._instances / uuid
            name = name or journal.read(folder).name
            console.screen_absent(self._socket(uuid))
            if name:
                (self._daemon.qemu_log_folder / f"{name}.log").unlink(missing_ok=True)
            disk.absent(folder)
            self.shutdowns.forget(uuid)

    def observe(self) -> list[GuestFacts]:
        """Facts of every domain that is ours. Raises GuestError."""

        def look(connection: Any) -> list[GuestFacts]:
            seen = (self._now(one) for one in connection.listAllDomains())
            return [self._facts(now) for now in seen if now is not None]

        return self._ask(look, "list")

    def leftovers(self) -> list[str]:
        """Ids that have a folder and no domain: made half and then forgotten, or being made right now."""
        domains = {one.id for one in self.observe()}
        return [name for name in self.folders() if name not in domains]

    def folders(self) -> list[str]:
        """Ids of guests that have a folder here."""
        return os.listdir(self._instances)

    def switch_off(self, limit_s: float) -> tuple[int, int]:
        """The host goes down: press the button of every guest that runs, and pull the plug after `limit_s` seconds. The
        next ensure() starts them again. How many ran, and how many did not obey. Raises GuestError. It waits: nobody
        else may work on the guests meanwhile."""
        waiting = [facts.id for facts in self.observe() if facts.power_state != "shutdown"]
        for uuid in waiting:
            notes = journal.read(self._folder(uuid))
            if notes.power == "on" and not notes.left_by_itself:
                notes.host_ended = True
                journal.write(self._folder(uuid), notes)
        return self._ask(
            lambda conn: power.switch_off([self._ours(conn, uuid) for uuid in waiting], self._libvirt, limit_s), "end"
        )

    # ---- questions -----------------------------------------------------------------------------------------

    def console_log(self, uuid: str, length: int | None = None) -> bytes:
        """The last `length` lines of the serial log, 100 KiB at most."""
        return console.read(self._folder(uuid), length)

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
        for folder in self._instances.iterdir():
            keep.update(journal.read(folder).images)
        return self.images.sweep(keep)

    def close(self) -> None:
        """Give up the connection; guests and daemon run on."""
        self._connection.close()

    # ---- converging ----------------------------------------------------------------------------------------

    def _converge(self, connection: Any, spec: Guest, interfaces_ready: Callable[[], None]) -> GuestFacts:
        now = self._find(connection, spec.id)
        notes = journal.read(self._folder(spec.id))
        if spec.power == "off":
            return self._converge_off(connection, spec, now, notes)
        if now is not None and now.active:
            if spec.hard_reboots > now.mark.hard_reboots:
                self._note_off(spec.id, notes)
                power.destroy(now.domain, self._libvirt)
            elif spec.soft_reboots > now.mark.soft_reboots:
                self._note_off(spec.id, notes)
                again_in = self.shutdowns.advance(now.domain, self._libvirt)
                if again_in is not None:
                    return self._facts(now, again_in)
            else:
                return self._keep_running(spec, now, notes)
        elif now is not None and self._left_by_itself(spec, now, notes):
            return self._facts(now)
        return self._start(connection, spec, notes, interfaces_ready)

    def _converge_off(self, connection: Any, spec: Guest, now: _Now | None, notes: journal.Journal) -> GuestFacts:
        if now is None:
            self._define(connection, spec, notes)
            now = self._find(connection, spec.id)
            if now is None:
                raise GuestError("The host could not define the server.", spec.id)
        self._note_off(spec.id, notes)
        if now.active:
            again_in = self.shutdowns.advance(now.domain, self._libvirt)
            now = self._now(now.domain) or now
            return self._facts(now, again_in)
        self.shutdowns.forget(spec.id)
        return self._facts(now)

    def _keep_running(self, spec: Guest, now: _Now, notes: journal.Journal) -> GuestFacts:
        known = self._libvirt
        if now.state == known.VIR_DOMAIN_PAUSED and now.reason == known.VIR_DOMAIN_PAUSED_IOERROR:
            now.domain.resume()  # it was stopped when the disk was full: perhaps there is room again
            now = self._now(now.domain) or now
        if (notes.power != "on" or notes.left_by_itself or notes.host_ended) and not self.shutdowns.under_way(spec.id):
            notes.power, notes.left_by_itself, notes.host_ended = "on", False, False
            journal.write(self._folder(spec.id), notes)
        self._adopt_screen(spec.id)
        return self._facts(now)

    def _left_by_itself(self, spec: Guest, now: _Now, notes: journal.Journal) -> bool:
        """A guest that switched itself off stays off until somebody asks for it again, as with Nova."""
        if spec.hard_reboots > now.mark.hard_reboots or spec.soft_reboots > now.mark.soft_reboots:
            return False
        by_reason = now.reason == self._libvirt.VIR_DOMAIN_SHUTOFF_SHUTDOWN
        return notes.power == "on" and not notes.host_ended and (notes.left_by_itself or by_reason)

    def _start(
        self, connection: Any, spec: Guest, notes: journal.Journal, interfaces_ready: Callable[[], None]
    ) -> GuestFacts:
        found = self._define(connection, spec, notes)
        console.expect_screen(self._socket(spec.id), self._user(spec.id))
        console.start_anew(self._folder(spec.id))
        interfaces_ready()
        found.create()
        self.shutdowns.forget(spec.id)
        notes.power, notes.left_by_itself, notes.host_ended = "on", False, False
        journal.write(self._folder(spec.id), notes)
        self._adopt_screen(spec.id)
        now = self._now(found)
        if now is None:
            raise GuestError("The server ended as soon as it was started.", spec.id)
        return self._facts(now)

    def _define(self, connection: Any, spec: Guest, notes: journal.Journal) -> Any:
        """Image, disks, config drive, then the domain; each in place before the next refers to it."""
        folder = self._folder(spec.id)
        boot = self._boot(spec, folder, notes)
        if (closed := users.closed(folder)) is not None:
            raise GuestError("The host is not set up properly.", f"{closed} is closed to guests: chmod o+x {closed}")
        user = self._user(spec.id)
        if self._kvm_group is not None:
            user = users.User(user.uid, self._kvm_group)
        place = domain.Place(self._owner, folder, console.screen_nest(self._socket(spec.id)), user, self._virt_type)
        return connection.defineXML(domain.render(spec, place, boot))

    def _boot(self, spec: Guest, folder: Path, notes: journal.Journal) -> domain.Boot:
        image = spec.image
        if image is None:
            raise ImageRefused("The server has nothing to boot from.")
        base = self.images.ensure_base(image, self._fetch)
        kernel = self.images.ensure_loose(image.kernel, self._fetch) if image.kernel else None
        ramdisk = self.images.ensure_loose(image.ramdisk, self._fetch) if image.ramdisk else None
        wanted = [one.id for one in (image, image.kernel, image.ramdisk) if one]
        folder.mkdir(parents=True, exist_ok=True)
        if (notes.name, notes.images) != (spec.name, wanted):
            notes.name, notes.images = spec.name, wanted
            journal.write(folder, notes)
        user = self._user(spec.id)
        sizes = disk.Sizes(spec.root_gb, spec.ephemeral_gb, spec.swap_mb)
        if image.disk_format == "iso":
            disks = [disk.Disk(base.path, "raw", cdrom=True)]
        else:
            disks = disk.ensure(folder, base, sizes, user)
        drive = None if spec.config_drive is None else seed.ensure(folder, spec.config_drive, user)
        line = image.properties.get("os_command_line", domain.COMMAND_LINE)
        return domain.Boot(disks, drive, kernel, ramdisk, line)

    # ---- looking -------------------------------------------------------------------------------------------

    def _find(self, connection: Any, uuid: str) -> _Now | None:
        """Our domain of that id; raises GuestError when somebody else's has it."""
        try:
            found = connection.lookupByUUIDString(uuid)
        except self._libvirt.libvirtError as error:
            if error.get_error_code() == self._libvirt.VIR_ERR_NO_DOMAIN:
                return None
            raise
        now = self._now(found)
        if now is None:
            raise GuestError("The server's id is taken on this host.", f"domain {uuid} is not ours")
        return now

    def _ours(self, connection: Any, uuid: str) -> Any:
        """The domain of that id, of those that are ours and of no other. Raises GuestError."""
        self._folder(uuid)
        now = self._find(connection, uuid)
        if now is None:
            raise GuestError("The server is not running on this host.", uuid)
        return now.domain

    def _now(self, found: Any) -> _Now | None:
        """The domain's present state; None when it is not ours or is gone."""
        known = self._libvirt
        try:
            active = bool(found.isActive())
            state, reason = found.state()
            which = known.VIR_DOMAIN_AFFECT_LIVE if active else known.VIR_DOMAIN_AFFECT_CONFIG
            mark = domain.read_mark(found.metadata(known.VIR_DOMAIN_METADATA_ELEMENT, domain.OURS, which))
        except known.libvirtError as error:
            if error.get_error_code() == known.VIR_ERR_OPERATION_INVALID:  # it ended in between
                return self._now(found)
            if error.get_error_code() in (known.VIR_ERR_NO_DOMAIN, known.VIR_ERR_NO_DOMAIN_METADATA):
                return None
            raise
        if mark is None or mark.owner != self._owner:
            return None
        return _Now(found, active, state, reason, mark)

    def _facts(self, now: _Now, again_in: float | None = None) -> GuestFacts:
        known = self._libvirt
        names = {known.VIR_DOMAIN_PAUSED: "paused", known.VIR_DOMAIN_CRASHED: "crashed"}
        uuid = now.domain.UUIDString()
        return GuestFacts(
            id=uuid,
            name=now.domain.name(),
            state="ready" if again_in is None else "working",
            power_state=names.get(now.state, "running" if now.active else "shutdown"),
            hard_reboots=now.mark.hard_reboots,
            soft_reboots=now.mark.soft_reboots,
            vnc=str(self._socket(uuid)) if now.active else None,
            again_in=again_in,
        )

    def _remove_domain(self, connection: Any, uuid: str) -> str | None:
        """End and undefine the domain if it is ours; its name."""
        known = self._libvirt
        try:
            found = connection.lookupByUUIDString(uuid)
        except known.libvirtError as error:
            if error.get_error_code() == known.VIR_ERR_NO_DOMAIN:
                return None
            raise
        if self._now(found) is None:
            return None
        power.destroy(found, known)
        flags = known.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | known.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
        try:
            found.undefineFlags(flags | known.VIR_DOMAIN_UNDEFINE_NVRAM)
        except known.libvirtError as error:
            if error.get_error_code() != known.VIR_ERR_NO_DOMAIN:
                raise
        return str(found.name())

    def _uuid_of(self, id_or_name: str) -> str | None:
        if _UUID.fullmatch(id_or_name):
            return id_or_name
        for one in self.observe():
            if one.name == id_or_name:
                return one.id
        for folder in self._instances.iterdir():
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

    def _note_off(self, uuid: str, notes: journal.Journal) -> None:
        """Written before the button is pressed, so that the guest's obedience is not taken for its own wish."""
        if notes.power != "off" or notes.left_by_itself:
            notes.power, notes.left_by_itself = "off", False
            journal.write(self._folder(uuid), notes)

    def _remember_event(self, uuid: str, event: str) -> None:
        """In the event thread: libvirt forgets, when restarted, why a guest is off."""
        if event != "shutdown" or not _UUID.fullmatch(uuid) or self.shutdowns.under_way(uuid):
            return
        notes = journal.read(self._folder(uuid))
        if notes.power == "on" and not notes.host_ended:
            notes.left_by_itself = True
            journal.write(self._folder(uuid), notes)

    def _trim_logs(self) -> None:
        with suppress(OSError):  # the folder may be on its way out
            for folder in self._instances.iterdir():
                console.trim(folder)

    def _folder(self, uuid: str) -> Path:
        if not _UUID.fullmatch(uuid):
            raise GuestError("The server has an invalid id.", repr(uuid))
        return self._instances / uuid

    def _user(self, uuid: str) -> users.User:
        """Whom the guest's QEMU runs as and its disks belong to; its folder must be there.

        In a group that all share, the guest's own cannot let it into its folder.
        """
        mode = 0o710 if self._kvm_group is None else 0o711
        return users.of_folder(self._folder(uuid), "guest", self._owner, uuid, mode=mode)

    def _adopt_screen(self, uuid: str) -> None:
        with suppress(FileNotFoundError):  # the guest is on its way out
            console.adopt_screen(self._socket(uuid), self._user(uuid), self._group)

    def _socket(self, uuid: str) -> Path:
        return self._state / "vnc" / f"{uuid}.sock"

    @contextmanager
    def _alone(self, uuid: str) -> Iterator[None]:
        """One thread at a time per guest; the lock exists as long as somebody holds or awaits it."""
        with self._guard:
            lock, users = self._locks.get(uuid, (threading.Lock(), 0))
            self._locks[uuid] = (lock, users + 1)
        try:
            with lock:
                yield
        finally:
            with self._guard:
                lock, users = self._locks[uuid]
                if users == 1:
                    del self._locks[uuid]
                else:
                    self._locks[uuid] = (lock, users - 1)


def _owner(state: Path) -> str:
    """The mark of this node's guests, made once and kept in the state folder."""
    kept = state / "guest-owner"
    if not kept.exists():
        fresh = state / f".guest-owner.{os.getpid()}"
        fresh.write_text(str(uuids.uuid4()))
        with suppress(FileExistsError):
            os.link(fresh, kept)
        fresh.unlink()
    return kept.read_text().strip()
