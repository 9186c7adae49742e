"""Simulated hosts: the parts of an agent without a hypervisor, with scripted delays and failures.

The simulated world is kept in small files when a folder is given, so that it outlives the node as guests do, and
tests can compare it with what the controller believes. How hosts behave is said in ``simulation.py``.
"""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from cumulet import __version__, files
from cumulet.desired.guest import Guest
from cumulet.desired.hosts import HostFacts
from cumulet.desired.items import Item
from cumulet.desired.kinds import Kind
from cumulet.desired.questions import Job, JobDone
from cumulet.desired.simulation import WORKS, Deed, Deeds, GuestOrder, Order, SimulationError
from cumulet.node.parts import NotYet, Observe, PartError, World
from cumulet.node.simulation import Script, Simulation, number_of

_AWAY_S = 3600.0
"""Until what waits for a host looks again; it is told when the host is back."""


class SimulatedGuest(msgspec.Struct, kw_only=True):
    """A guest as the simulated host has it. `ended`: how, when it ended by itself; then it stays off until it is asked
    for again."""

    id: str
    host: str
    name: str
    taps: list[str]
    running: bool
    hard_reboots: int
    soft_reboots: int
    started: int = 1
    display_name: str = ""
    simulated: dict[str, str] = {}
    ended: Literal["", "shutdown", "crashed"] = ""


def host_names(count: int) -> list[str]:
    """``sim-0001`` and so on."""
    return [f"sim-{number:04d}" for number in range(1, count + 1)]


class SimulatedParts:
    """`count` hosts behind one link. See `cumulet.node.parts.Parts` for the methods."""

    def __init__(self, count: int, script: Script | None = None, folder: Path | None = None) -> None:
        self.script = script or Script()
        self.simulation = Simulation(self.script, None if folder is None else folder.with_name("simulation.json"))
        self._names = host_names(count)
        self._folder = folder
        self._lock = threading.Lock()
        self._guests: dict[str, SimulatedGuest] = {}
        self._shared: set[tuple[str, str]] = set()
        self._begun: dict[tuple[str, int, str], float] = {}
        self._running_since: dict[str, float] = {}
        self._tries: dict[tuple[str, str], int] = {}
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            files.remove_drafts(folder)
            for path in folder.glob("*.json"):
                guest = msgspec.json.decode(path.read_bytes(), type=SimulatedGuest)
                self._guests[guest.id] = guest

    # ---- Parts ---------------------------------------------------------------------------------------------------

    def ensure(self, item: Item, spec: Any, world: World) -> dict[str, Any]:
        """Make it so, after the scripted time, unless the script says that it fails."""
        if item.kind != "guest":
            with self._lock:
                self._shared.add((item.kind, item.ref))
            return {}
        guest: Guest = spec
        for plug in guest.ports:
            if world.spec("port", plug.port_id) is None or world.spec("network", plug.network_id) is None:
                raise NotYet(f"port {plug.port_id} or its network is not known yet", 0.1)
        self._reach(item.host)
        self.simulation.meet(guest, lambda: world.specs("guest").values())
        known = self._guests.get(guest.id)
        work = _work(guest, known)
        deeds = self.simulation.deeds(guest, item.host)
        if work is not None:
            self._do(work, getattr(deeds, work), item, guest)
        now = self._after(item, guest, known)
        if now.running and (work is not None or guest.id not in self._running_since):
            self._running_since[guest.id] = time.monotonic()
        again_in = self._ends_in(now, deeds) if now.running else None
        self._keep(now)
        facts = {
            "power_state": "running" if now.running else now.ended or "shutdown",
            "hard_reboots": guest.hard_reboots,
            "soft_reboots": guest.soft_reboots,
            "screen": now.running,
        }
        return facts if again_in is None else facts | {"again_in": again_in}

    def absent(self, item: Item, world: World) -> None:
        """Make it gone, after the scripted time."""
        if item.kind != "guest":
            with self._lock:
                self._shared.discard((item.kind, item.ref))
            return
        self._reach(item.host)
        known = self._guests.get(item.ref)
        if known is not None:
            self._do("delete", self.simulation.deeds(known, item.host).delete, item, known)
        self._drop(item.ref)

    def has(self, guest_id: str) -> bool:
        """Whether this guest is in the world."""
        return guest_id in self._guests

    def strays(self, world: World) -> Sequence[tuple[Kind, str]]:
        """Guests of which nobody knows anything."""
        known = world.refused("guest") | world.specs("guest").keys()
        return [("guest", guest_id) for guest_id in list(self._guests) if guest_id not in known]

    def sweep(self, world: World) -> Sequence[tuple[Kind, str]]:
        """Guests that are wanted and not here."""
        return [("guest", guest_id) for guest_id in world.specs("guest") if guest_id not in self._guests]

    def answer(self, job: Job) -> JobDone:
        """A console log that says what it is; nothing else can be asked of a simulated host."""
        guest = self._guests.get(str(job.args.get("guest")))
        if guest is None or job.kind != "console_log":
            return JobDone(id=job.id, ok=False, result="A simulated host has no answer to this.")
        if self.simulation.away(guest.host):
            return JobDone(id=job.id, ok=False, result="The host does not answer.")
        lines = [f"[    0.000000] {guest.name} on simulated host {guest.host}, started {guest.started} times", ""]
        length = job.args.get("length")
        text = "\n".join(lines if length is None else lines[-int(length) :])
        return JobDone(id=job.id, ok=True, result=base64.b64encode(text.encode()).decode())

    def simulate(self, order: Order, world: World) -> dict[str, Any]:
        """Carry out an order about the simulation; how it is then. The agent looks at every guest afterwards, as all
        may go on differently. Raises SimulationError."""
        if order.rule is not None:
            number = self.simulation.add(order.rule, world.specs("guest").values())
            return {"rule": number, **self.simulation.shown()}
        if order.host is not None:
            self.simulation.place(order.host, self._names)
            if order.host.state == "down":
                for guest in [each for each in self._guests.values() if each.host == order.host.name and each.running]:
                    self._keep(msgspec.structs.replace(guest, running=False))
        if order.server is not None:
            self._end(order.server, world)
        if order.clear is not None:
            self.simulation.clear(order.clear)
        return self.simulation.shown()

    def facts(self) -> list[HostFacts]:
        """All hosts, equal in size."""
        size = self.script
        return [
            HostFacts(
                hostname=name,
                vcpus=size.vcpus,
                memory_mb=size.memory_mb,
                disk_gb=size.disk_gb,
                hypervisor_type="simulated",
                hypervisor_version=1,
                simulated=True,
                bridge_mappings=["provider"],
                silent=self.simulation.away(name) is not None,
                version=__version__,
            )
            for name in self._names
        ]

    def start(self, observe: Observe) -> None:
        """Nothing to watch: only the agent changes this world."""

    def stop(self) -> None:
        """Nothing to stop."""

    # ---- the world -----------------------------------------------------------------------------------------------

    def guests(self) -> list[SimulatedGuest]:
        """What runs, for tests."""
        return list(self._guests.values())

    def _after(self, item: Item, guest: Guest, known: SimulatedGuest | None) -> SimulatedGuest:
        ended = "" if known is None or _work(guest, known) is not None or guest.power == "off" else known.ended
        running = guest.power == "on" and not ended
        restarted = known is not None and running and (not known.running or known.hard_reboots != guest.hard_reboots)
        return SimulatedGuest(
            id=guest.id,
            host=item.host,
            name=guest.name,
            taps=[f"tap{plug.port_id[:11]}" for plug in guest.ports],
            running=running,
            hard_reboots=guest.hard_reboots,
            soft_reboots=guest.soft_reboots,
            started=1 if known is None else known.started + int(restarted),
            display_name=guest.display_name,
            simulated=guest.simulated,
            ended=ended,
        )

    def _reach(self, host: str) -> None:
        """Raise NotYet while the host is not up."""
        if self.simulation.away(host):
            raise NotYet(f"{host} does not answer", _AWAY_S)

    def _end(self, order: GuestOrder, world: World) -> None:
        """A running guest ends by itself. Raises SimulationError when there is not one."""
        wanted = world.specs("guest")
        found = [
            guest
            for guest in self._guests.values()
            if order.name in (guest.id, guest.name, guest.display_name) and guest.id in wanted
        ]
        if len(found) != 1:
            count = "no server" if not found else f"{len(found)} servers"
            raise SimulationError(f"{count} of the simulated hosts has the name or id {order.name}")
        guest = found[0]
        if not guest.running:
            raise SimulationError(f"{order.name} does not run")
        ended: Literal["shutdown", "crashed"] = "crashed" if order.event == "crash" else "shutdown"
        self._keep(msgspec.structs.replace(guest, running=False, ended=ended))

    def _ends_in(self, guest: SimulatedGuest, deeds: Deeds) -> float | None:
        """In how many seconds a running guest ends by itself; None: not at all, or it has just ended."""
        ran = time.monotonic() - self._running_since[guest.id]
        lives = [life - ran for life in (deeds.crash, deeds.power_off) if life is not None]
        if lives and min(lives) <= 0:
            guest.running = False
            guest.ended = "crashed" if deeds.crash is not None and deeds.crash <= ran else "shutdown"
        return min(lives) if lives and guest.running else None

    def _do(self, work: str, deed: Deed | None, item: Item, guest: Guest | SimulatedGuest) -> None:
        """Let the time of the work pass without holding a thread, and fail if it shall."""
        if deed is None:
            return
        if deed.never:
            raise NotYet(f"the {work} never ends", _AWAY_S)
        key = (item.ref, item.revision, work)
        left = self._begun.setdefault(key, time.monotonic()) + deed.seconds - time.monotonic()
        if left > 0:
            raise NotYet("simulated work", left)
        self._begun.pop(key, None)
        number = self._tries[work, item.ref] = self._tries.get((work, item.ref), 0) + 1
        if self.simulation.fails(deed.fail, work, number_of(guest), guest.display_name, number):
            raise PartError(f"The simulated host {item.host} failed to {work} this server, as its script says.")

    def _keep(self, guest: SimulatedGuest) -> None:
        self._guests[guest.id] = guest
        if self._folder is not None:
            files.put(self._folder / f"{guest.id}.json", msgspec.json.encode(guest))

    def _drop(self, guest_id: str) -> None:
        self._guests.pop(guest_id, None)
        self._running_since.pop(guest_id, None)
        for begun in [key for key in list(self._begun) if key[0] == guest_id]:
            self._begun.pop(begun, None)
        for work in WORKS:
            self._tries.pop((work, guest_id), None)
        if self._folder is not None:
            (self._folder / f"{guest_id}.json").unlink(missing_ok=True)


def _work(guest: Guest, known: SimulatedGuest | None) -> str | None:
    """What a host has to do for a guest that is `known` as it is."""
    if known is None:
        return "boot"
    if guest.power == "off":
        return "stop" if known.running else None
    rebooted = (known.hard_reboots, known.soft_reboots) != (guest.hard_reboots, guest.soft_reboots)
    if known.running or rebooted:
        return "reboot" if rebooted else None
    return None if known.ended else "start"
