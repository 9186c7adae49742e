"""What an agent converges with: the real host's parts or simulated ones, behind one protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any, Protocol, runtime_checkable

from cumulet.desired.hosts import HostFacts
from cumulet.desired.items import Item
from cumulet.desired.kinds import SPECS, Kind
from cumulet.desired.questions import Job, JobDone
from cumulet.desired.simulation import Order

__all__ = ["SPECS", "NotYet", "Observe", "PartError", "Parts", "Scripted", "World"]


class NotYet(Exception):
    """What this item stands on is not there yet; look again after `after_s` seconds. Not a failure."""

    def __init__(self, reason: str, after_s: float = 0.05) -> None:
        super().__init__(reason)
        self.after_s = after_s


class PartError(Exception):
    """An item cannot be made as it shall be. The text is a sentence a tenant may read; `detail` is for operators."""

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail


class World(Protocol):
    """What the agent knows is wanted; parts look up what an item refers to."""

    def spec(self, kind: Kind, ref: str) -> Any:
        """The typed spec of a wanted item, or None."""

    def specs(self, kind: Kind) -> Mapping[str, Any]:
        """All wanted items of a kind, by ref."""

    def refused(self, kind: Kind) -> Set[str]:
        """Refs of what is wanted, too, though nobody here knows how: it was refused, and never taken in another form.
        Nothing of it may be taken for unwanted."""

    @property
    def complete(self) -> bool:
        """Whether this is all that is wanted, by a controller whose word is taken; until then nothing may be taken for
        unwanted."""


Observe = Callable[[Kind, str], None]
"""Something happened to (kind, ref) in the world: converge it again."""


class Parts(Protocol):
    """Every method may be called from several threads, never for the same item at once."""

    def ensure(self, item: Item, spec: Any, world: World) -> dict[str, Any]:
        """Make it so; what to report as facts. Raises `PartError` or `NotYet`."""

    def absent(self, item: Item, world: World) -> None:
        """Make it gone; safe when it never was. Raises `PartError`."""

    def has(self, guest_id: str) -> bool:
        """Whether anything of this guest is here, running or not."""

    def strays(self, world: World) -> Sequence[tuple[Kind, str]]:
        """What is ours in the world and of which the world knows no item. Removes nothing."""

    def sweep(self, world: World) -> Sequence[tuple[Kind, str]]:
        """Remove what can be made again at any time and nobody uses; items whose world differs from what they want."""

    def answer(self, job: Job) -> JobDone:
        """Answer a one-shot question."""

    def facts(self) -> list[HostFacts]:
        """What the hosts are, with their problems."""

    def start(self, observe: Observe) -> None:
        """Begin to watch the world."""

    def stop(self) -> None:
        """Stop watching; guests run on."""


@runtime_checkable
class Scripted(Protocol):
    """Parts that are told how to behave: simulated hosts."""

    def simulate(self, order: Order, world: World) -> dict[str, Any]:
        """Carry out an order about the simulation; how it is then. Raises SimulationError."""
