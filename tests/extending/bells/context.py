"""What a process hands to bells."""

from __future__ import annotations

from msgspec import Struct

from cumulet.engine import Engine


class BellContext(Struct, frozen=True):
    """`most`: bells that a project may have."""

    engine: Engine
    most: int
