"""How a controller and a node of neighbouring versions understand each other: each kind has a format with a number.

A controller writes the newest format that a node reads, of its own and the one before. A node reads its own and the one
before, and says so in the head of each of its requests. One that says nothing (0.2.0 and before) reads format 1.

A new format is a higher `FORMAT` in the kind's file, and a function for each end: `NEWER` of the kind for nodes, which
makes this format of the one before; and `older` of the service that renders the kind (`cumulet.process.Part`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from cumulet.desired.kinds import FORMATS, NEWER, SPECS, Kind
from cumulet.desired.shape import Shape

READS_HEADER = "X-Cumulet-Reads"
"""The line in the head of a node's requests."""

Formats = Mapping[Kind, tuple[int, int]]
"""The oldest and the newest format that is read of each kind; of one that is not named, format 1."""

FIRST = (1, 1)


class Deferred(Shape):
    """What is wanted and cannot be said in the format that a node reads. `why` goes on after "of an earlier version
    than this needs: ", without a full stop, for a tenant to read."""

    why: str


def own() -> Formats:
    """What this version reads."""
    return {kind: (number - 1 if kind in NEWER else number, number) for kind, number in FORMATS.items()}


def head(formats: Formats) -> str:
    """The text in a request's head, such as ``network=1-1 guest=1-2``."""
    return " ".join(f"{kind}={oldest}-{newest}" for kind, (oldest, newest) in formats.items())


def read(kind: Kind, number: int, spec: Any) -> Any:
    """A spec of format `number`, as JSON says it, in the shape of its kind; None for none. Raises ValueError and
    msgspec.ValidationError."""
    if spec is None:
        return None
    newest = FORMATS[kind]
    if number == newest - 1 and kind in NEWER and isinstance(spec, dict):
        spec = NEWER[kind](spec)
    elif number != newest:
        oldest, newest = own()[kind]
        known = f"{newest}" if oldest == newest else f"{oldest} and {newest}"
        raise ValueError(f"it is in format {number} of {kind}, and this version reads {known}")
    return msgspec.convert(spec, SPECS[kind])
