"""How simulated hosts behave: the start state in ``simulated.json``, and what they are told while they run.

Of what is said of a kind of work the most particular counts: a server's metadata, then the newest rule that is for it,
then its host's entry in the file, then what the file says of all. Chance is drawn from the seed and the guest's number
and name, so that the same calls in the same order meet the same failures. Rules and dead hosts outlive the node.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

import msgspec

from cumulet import files
from cumulet.config import SIMULATION_FILE
from cumulet.desired import simulation as words
from cumulet.desired.simulation import Deed, Deeds, HostOrder, Rule, SimulationError


class Named(Protocol):
    """A guest, as it is wanted or as a host has it."""

    @property
    def name(self) -> str:
        """``instance-0000000a``."""

    @property
    def display_name(self) -> str:
        """The server's name."""

    @property
    def simulated(self) -> dict[str, str]:
        """What the server's metadata asks of its host."""


Seconds = Annotated[float, msgspec.Meta(ge=0, le=words.LONGEST_S)]
Rate = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Behaviour(msgspec.Struct, kw_only=True):
    """How a simulated host behaves. Times in seconds, rates from 0 to 1; None: as all hosts do, or at once and well."""

    boot_s: Seconds | None = None
    stop_s: Seconds | None = None
    delete_s: Seconds | None = None
    fail_boot: Rate | None = None
    fail_delete: Rate | None = None

    def layers(self, general: Behaviour) -> Deeds:
        """As deeds, with what `general` says of the rest."""
        told = {name: _first(getattr(self, name), getattr(general, name)) for name in Behaviour.__struct_fields__}
        return Deeds(
            boot=Deed(seconds=told["boot_s"], fail=told["fail_boot"]),
            stop=Deed(seconds=told["stop_s"]),
            delete=Deed(seconds=told["delete_s"], fail=told["fail_delete"]),
        )


class Script(Behaviour, kw_only=True):
    """Behaviour of all hosts, of single hosts by name, and their size."""

    seed: int = 0
    hosts: dict[str, Behaviour] = {}
    vcpus: int = 64
    memory_mb: int = 262_144
    disk_gb: int = 8_192


def load(state: Path, seed: int) -> Script:
    """The script in the state folder; `seed` is used unless it names one. Raises SimulationError, which names the
    file."""
    file = state / SIMULATION_FILE
    try:
        raw = msgspec.json.decode(file.read_bytes())
        _check_names(raw)
        return msgspec.convert({"seed": seed, **raw}, Script)
    except FileNotFoundError:
        return Script(seed=seed)
    except OSError as error:
        raise SimulationError(f"cannot read {file}: {error.strerror}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError, SimulationError) as error:
        raise SimulationError(f"{file}: {error}") from None


class KeptRule(msgspec.Struct, kw_only=True):
    """A rule with its number, the newest guest's when it came (`base`), and those of the guests that it has counted."""

    id: int
    rule: Rule
    base: int = 0
    counted: list[int] = []

    @property
    def most(self) -> int:
        """How many guests are counted; 0 when it does not count."""
        return self.rule.nth or self.rule.times or 0

    def is_for(self, guest: Named, host: str) -> bool:
        """Whether it says how `host` treats `guest`."""
        if not (words.fits(self.rule.match_name, guest.display_name) and words.fits(self.rule.match_host, host)):
            return False
        if not self.most:
            return True
        chosen = self.counted[self.rule.nth - 1 : self.rule.nth] if self.rule.nth else self.counted
        return number_of(guest) in chosen


class Kept(msgspec.Struct, kw_only=True):
    """What outlives the node: rules, and hosts that are not up."""

    rules: list[KeptRule] = []
    hosts: dict[str, Literal["down", "cut"]] = {}
    next_id: int = 1


class Simulation:
    """The behaviour of one node's hosts. `file`: where it is kept; None for nowhere. Every method may be called from
    any thread."""

    def __init__(self, script: Script, file: Path | None) -> None:
        self.script = script
        self._file = file
        self._lock = threading.Lock()
        self._kept = Kept()
        if file is not None and file.exists():
            self._kept = msgspec.json.decode(file.read_bytes(), type=Kept)

    # ---- orders

    def add(self, rule: Rule, present: Iterable[Named]) -> int:
        """From now on, `rule` as well; its number. It counts no guest of `present`. Raises SimulationError for too
        many."""
        with self._lock:
            if len(self._kept.rules) >= words.MOST_RULES:
                raise SimulationError(f"there are {words.MOST_RULES} rules; clear some first")
            kept = KeptRule(id=self._kept.next_id, rule=rule, base=max(map(number_of, present), default=0))
            self._kept.rules.append(kept)
            self._kept.next_id += 1
            self._keep()
            return kept.id

    def place(self, order: HostOrder, known: Collection[str]) -> None:
        """A host goes or comes back. Raises SimulationError for one that there is not."""
        if order.name not in known:
            near = words.meant(order.name, known) if len(known) <= 1_000 else ""
            raise SimulationError(f"there is no host {order.name}{near}")
        with self._lock:
            self._kept.hosts.pop(order.name, None)
            if order.state != "up":
                self._kept.hosts[order.name] = order.state
            self._keep()

    def clear(self, what: bool | int) -> None:
        """Forget a rule by its number, or all that was told. Raises SimulationError."""
        with self._lock:
            if what is True:
                self._kept = Kept(next_id=self._kept.next_id)
            else:
                left = [kept for kept in self._kept.rules if kept.id != what]
                if len(left) == len(self._kept.rules):
                    raise SimulationError(f"there is no rule {what}")
                self._kept.rules = left
            self._keep()

    def shown(self) -> dict[str, Any]:
        """How things are: ``seed``, ``rules`` and ``hosts`` that are not up."""
        with self._lock:
            rules = [
                {"id": kept.id, **msgspec.to_builtins(kept.rule)} | ({"met": len(kept.counted)} if kept.most else {})
                for kept in self._kept.rules
            ]
            return {"seed": self.script.seed, "rules": rules, "hosts": dict(self._kept.hosts)}

    # ---- what follows

    def away(self, host: str) -> str | None:
        """``down`` or ``cut`` when the host is not up."""
        return self._kept.hosts.get(host)

    def meet(self, guest: Named, others: Callable[[], Iterable[Named]]) -> None:
        """A guest is worked on; rules that count take note of it and of `others` that came with it, in the order in
        which they were made."""
        if not any(len(kept.counted) < kept.most for kept in self._kept.rules):
            return
        with self._lock:
            came = {number_of(each): each for each in (*others(), guest)}
            before = [len(kept.counted) for kept in self._kept.rules]
            for number in sorted(came):
                for kept in self._kept.rules:
                    new = number > kept.base and number not in kept.counted and len(kept.counted) < kept.most
                    if new and words.fits(kept.rule.match_name, came[number].display_name):
                        kept.counted.append(number)
            if before != [len(kept.counted) for kept in self._kept.rules]:
                self._keep()

    def deeds(self, guest: Named, host: str) -> Deeds:
        """How `host` treats `guest`."""
        layers = [words.deeds(f"{name}={text}" for name, text in guest.simulated.items())]
        layers += [words.deeds(kept.rule.do) for kept in reversed(self._kept.rules) if kept.is_for(guest, host)]
        layers.append(self.script.hosts.get(host, Behaviour()).layers(self.script))
        return words.merged(layers)

    def fails(self, rate: float, *facts: object) -> bool:
        """Whether chance has it so, this time: `facts` are what the draw depends on beside the seed."""
        if rate <= 0:
            return False
        text = ":".join(map(str, (self.script.seed, *facts)))
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") / 2**32 < rate

    def _keep(self) -> None:
        if self._file is not None:
            files.put(self._file, msgspec.json.encode(self._kept))


def number_of(guest: Named) -> int:
    """The number in ``instance-0000000a``, which rises with each server of the cloud; 0 for another name."""
    try:
        return int(guest.name.rpartition("-")[2], 16)
    except ValueError:
        return 0


def _first(*values: float | None) -> float:
    return next((value for value in values if value is not None), 0.0)


def _check_names(raw: Any) -> None:
    """Raise SimulationError for a setting that there is not."""
    if not isinstance(raw, dict):
        raise SimulationError("it holds a JSON object")
    places = [(raw, Script.__struct_fields__)]
    hosts = raw.get("hosts")
    if isinstance(hosts, dict):
        places += [(entry, Behaviour.__struct_fields__) for entry in hosts.values() if isinstance(entry, dict)]
    for entry, known in places:
        for name in entry:
            if name not in known:
                raise SimulationError(f"no setting {ascii(name)[1:-1][:80]}{words.meant(name, known)}")
