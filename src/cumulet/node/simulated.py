"""Simulated hosts: the parts of an agent without a hypervisor, with scripted delays and failures.

The simulated world is kept in small files when a folder is given, so that it outlives the node as guests do, and
tests can compare it with what the controller believes. A script (``simulated.json`` in the state folder) says how
hosts behave; the same seed gives the same behaviour.
"""

from __future__ import annotations

import base64
import hashlib
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from cumulet.desired.shapes import Guest, HostFacts, Item, Job, JobDone, Kind
from cumulet.node.parts import NotYet, Observe, PartError, World


class Behaviour(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """How a simulated host behaves. Times in seconds, rates from 0 to 1."""

    boot_s: float = 0.0
    stop_s: float = 0.0
    delete_s: float = 0.0
    fail_boot: float = 0.0
    fail_delete: float = 0.0


class Script(Behaviour, kw_only=True, forbid_unknown_fields=True):
    """Behaviour of all hosts, of single hosts by name, and their size."""

    seed: int = 0
    hosts: dict[str, Behaviour] = {}
    vcpus: int = 64
    memory_mb: int = 262_144
    disk_gb: int = 8_192


class SimulatedGuest(msgspec.Struct, kw_only=True):
    """A guest as the simulated host has it."""

    id: str
    host: str
    name: str
    taps: list[str]
    running: bool
    hard_reboots: int
    soft_reboots: int
    started: int = 1


def host_names(count: int) -> list[str]:
    """``sim-0001`` and so on."""
    return [f"sim-{number:04d}" for number in range(1, count + 1)]


class SimulatedParts:
    """`count` hosts behind one link. See `cumulet.node.parts.Parts` for the methods."""

    def __init__(self, count: int, script: Script | None = None, folder: Path | None = None) -> None:
        self.script = script or Script()
        self._names = host_names(count)
        self._folder = folder
        self._lock = threading.Lock()
        self._guests: dict[str, SimulatedGuest] = {}
        self._shared: set[tuple[str, str]] = set()
        self._ready_at: dict[tuple[str, int], float] = {}
        self._tries: dict[tuple[str, str], int] = {}
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            for torn in folder.glob("*.new"):
                torn.unlink()
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
        for interface in guest.interfaces:
            if world.spec("network", interface.network_id) is None:
                raise NotYet(f"network {interface.network_id} is not known yet", 0.1)
        behaviour = self._behaviour(item.host)
        known = self._guests.get(guest.id)
        if known is None:
            self._delay(item, behaviour.boot_s)
            self._maybe_fail("boot", item, behaviour.fail_boot)
        elif known.running and guest.power == "off":
            self._delay(item, behaviour.stop_s)
        self._keep(self._after(item, guest, known))
        return {
            "power_state": "running" if guest.power == "on" else "shutdown",
            "hard_reboots": guest.hard_reboots,
            "soft_reboots": guest.soft_reboots,
        }

    def absent(self, item: Item, world: World) -> None:
        """Make it gone, after the scripted time."""
        if item.kind != "guest":
            with self._lock:
                self._shared.discard((item.kind, item.ref))
            return
        behaviour = self._behaviour(item.host)
        if item.ref in self._guests:
            self._delay(item, behaviour.delete_s)
            self._maybe_fail("delete", item, behaviour.fail_delete)
        self._drop(item.ref)

    def sweep(self, world: World) -> Sequence[tuple[Kind, str]]:
        """Remove guests that nobody wants."""
        wanted = world.specs("guest")
        kept = world.refused("guest") | wanted.keys()
        for stray in [guest_id for guest_id in list(self._guests) if guest_id not in kept]:
            self._drop(stray)
        return [("guest", guest_id) for guest_id in wanted if guest_id not in self._guests]

    def answer(self, job: Job) -> JobDone:
        """A console log that says what it is; nothing else can be asked of a simulated host."""
        guest = self._guests.get(str(job.args.get("guest")))
        if guest is None or job.kind != "console_log":
            return JobDone(id=job.id, ok=False, result="A simulated host has no answer to this.")
        lines = [f"[    0.000000] {guest.name} on simulated host {guest.host}, started {guest.started} times", ""]
        length = job.args.get("length")
        text = "\n".join(lines if length is None else lines[-int(length) :])
        return JobDone(id=job.id, ok=True, result=base64.b64encode(text.encode()).decode())

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
        running = guest.power == "on"
        restarted = known is not None and running and (not known.running or known.hard_reboots != guest.hard_reboots)
        return SimulatedGuest(
            id=guest.id,
            host=item.host,
            name=guest.name,
            taps=[f"tap{interface.port_id[:11]}" for interface in guest.interfaces],
            running=running,
            hard_reboots=guest.hard_reboots,
            soft_reboots=guest.soft_reboots,
            started=1 if known is None else known.started + int(restarted),
        )

    def _behaviour(self, host: str) -> Behaviour:
        return self.script.hosts.get(host, self.script)

    def _delay(self, item: Item, seconds: float) -> None:
        """Let the time pass without holding a thread."""
        if seconds <= 0:
            return
        key = (item.ref, item.revision)
        ready_at = self._ready_at.setdefault(key, time.monotonic() + seconds)
        left = ready_at - time.monotonic()
        if left > 0:
            raise NotYet("simulated work", left)
        self._ready_at.pop(key, None)

    def _maybe_fail(self, what: str, item: Item, rate: float) -> None:
        if rate <= 0:
            return
        number = self._tries[what, item.ref] = self._tries.get((what, item.ref), 0) + 1
        seed = f"{self.script.seed}:{what}:{item.host}:{item.ref}:{number}"
        drawn = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4], "big") / 2**32
        if drawn < rate:
            raise PartError(f"The simulated host {item.host} failed to {what} this server, as its script says.")

    def _keep(self, guest: SimulatedGuest) -> None:
        self._guests[guest.id] = guest
        if self._folder is not None:
            fresh = self._folder / f"{guest.id}.new"
            fresh.write_bytes(msgspec.json.encode(guest))
            fresh.replace(self._folder / f"{guest.id}.json")

    def _drop(self, guest_id: str) -> None:
        self._guests.pop(guest_id, None)
        for key in [key for key in list(self._ready_at) if key[0] == guest_id]:
            self._ready_at.pop(key, None)
        for kind in ("boot", "delete"):
            self._tries.pop((kind, guest_id), None)
        if self._folder is not None:
            (self._folder / f"{guest_id}.json").unlink(missing_ok=True)
