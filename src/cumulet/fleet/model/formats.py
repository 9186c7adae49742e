"""In which format a node is told what is wanted: the newest that it reads, of this version's and the one before.

What cannot be said in that format is deferred: the node keeps what it has of it, and the item says why until the node
is upgraded. Must never leave out a part of what is wanted because a node could not read it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from cumulet.db import Transaction
from cumulet.desired import formats
from cumulet.desired.formats import FIRST, Deferred, Formats
from cumulet.desired.kinds import FORMATS, SPECS, Kind
from cumulet.desired.shape import Shape
from cumulet.fleet.model.told import FactsError

Renderer = Callable[[Transaction, str, Sequence[str]], Mapping[str, Shape]]
"""(tx, link id, refs) → specs; a ref that is missing in the answer shall be absent."""

Older = Callable[[Transaction, str, Mapping[str, Any]], Mapping[str, Any]]
"""(tx, link id, specs as a `Renderer` gives them) → the same in the format before, by ref; `Deferred` for what cannot
be said there."""

_EARLIER = "The node of this host is of an earlier version than this needs: {}."
_LATER = "The node of this host is of a later version than the controller, and does not read its {} any more."
_WORD = re.compile(r"([a-z_]{1,32})=([0-9]{1,6})-([0-9]{1,6})")
_MOST_WORDS = 100


class Reader(Struct, frozen=True):
    """A node, by what it reads; without a word this version's own formats. `older`: how the formats before this
    version's are written."""

    formats: Formats = field(default_factory=formats.own)
    older: Mapping[Kind, Older] = field(default_factory=dict)


class Rendered(Struct, frozen=True):
    """Specs of one kind by ref, in one format. `deferred`: why others are not said, a sentence each."""

    format: int
    specs: Mapping[str, Any]
    deferred: Mapping[str, str]


def parsed(text: str | None) -> Formats:
    """What a node says in its request's head that it reads; None for one that does not say it. Kinds that this version
    does not have are nothing to it. Raises FactsError."""
    if text is None:
        return {}
    found: dict[Kind, tuple[int, int]] = {}
    words = text.split()
    for word in words:
        match = _WORD.fullmatch(word)
        if match is None or len(words) > _MOST_WORDS:
            raise FactsError("what this node reads cannot be: not a kind and two numbers")
        for kind in SPECS:
            if kind == match[1]:
                found[kind] = int(match[2]), int(match[3])
    return found


def render(
    tx: Transaction, link_id: str, kind: Kind, refs: Sequence[str], renderer: Renderer, reader: Reader
) -> Rendered:
    """What these shall be on the link, in the newest format that its node reads."""
    specs: Mapping[str, Any] = renderer(tx, link_id, refs)
    newest, known = FORMATS[kind], reader.formats.get(kind, FIRST)
    if known[0] <= newest <= known[1]:
        return Rendered(newest, specs, {})
    before = newest - 1
    if kind not in reader.older or not known[0] <= before <= known[1]:
        noun = kind.replace("_", " ")
        why = _LATER.format(f"{noun}s") if known[0] > newest else _EARLIER.format(f"it does not read this {noun}")
        return Rendered(newest, {}, dict.fromkeys(specs, why))
    said = reader.older[kind](tx, link_id, specs)
    unsaid = {ref: _EARLIER.format(spec.why) for ref, spec in said.items() if isinstance(spec, Deferred)}
    return Rendered(before, {ref: spec for ref, spec in said.items() if ref not in unsaid}, unsaid)
