"""What every kind of desired state has on a real host."""

from __future__ import annotations

from collections.abc import Set
from typing import Any, Protocol

from cumulet.node.parts import World


class KindPart(Protocol):
    """One kind. Every method may be called from several threads, never for the same item at once."""

    def ensure(self, spec: Any, world: World) -> dict[str, Any]:
        """Make it so; facts for the report. `left_out` among them are sentences: what of it was not taken.

        Raises `NotYet` while what it stands on is missing, GuestError, NodeError, and ValueError for a text that
        reaches no host."""

    def absent(self, ref: str, world: World) -> None:
        """Make it gone; safe when it never was. Raises as `ensure` does."""

    def here(self) -> Set[str]:
        """Refs of what is here of this cloud, wanted or not; nothing of kinds that leave nothing of their own."""
