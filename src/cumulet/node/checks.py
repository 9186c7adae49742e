"""The node's door: what the controller tells is looked at here before any part of the node acts on it.

A taken-over controller can end this cloud's guests and start others, as it is what tells what is wanted; it cannot
name a file, a device or a domain of this machine that is not this cloud's. Must run nothing and open nothing.
"""

from __future__ import annotations

import re
from typing import Any

from cumulet.desired import texts
from cumulet.desired.checks import guest, port
from cumulet.desired.guest import Guest
from cumulet.desired.items import Item
from cumulet.desired.port import Port
from cumulet.desired.questions import Job

_HOST = re.compile(r"[A-Za-z0-9._-]{0,255}")
_MOST = 2**63 - 1
_MOST_LINES = 1_000_000
_ARGUMENTS = frozenset({"guest", "length"})


def item(told: Item) -> None:
    """Raises ValueError for what addresses nothing that a host can have."""
    texts.uuid(told.ref)
    if not _HOST.fullmatch(told.host):
        raise ValueError(f"not a host's name: {texts.shown(told.host)}")
    if not 0 <= told.revision <= _MOST:
        raise ValueError(f"not a revision: {told.revision}")


def spec(told: Item, shape: Any) -> None:
    """Raises ValueError for a spec that is not one of what the item is about. The network's own parsers look at the
    rest of networks, groups and routers, and leave out what they do not take."""
    if shape is None:
        if not told.gone and told.deferred is None:
            raise ValueError("nothing is said of what is wanted")
        return
    if shape.id != told.ref:
        raise ValueError(f"it is about {texts.shown(shape.id)}")
    if isinstance(shape, Guest):
        guest.on_host(shape)
    if isinstance(shape, Port):
        port.on_host(shape)


def job(told: Job) -> tuple[str, int | None]:
    """The guest that a question is about, and how many lines are asked for. Raises ValueError."""
    texts.uuid(told.id)
    if not _ARGUMENTS.issuperset(told.args):
        raise ValueError(f"not an argument of a question: {texts.shown(sorted(told.args))}")
    length = told.args.get("length")
    if length is not None and (isinstance(length, bool) or not isinstance(length, int) or length < 0):
        raise ValueError(f"not a number of lines: {texts.shown(length)}")
    return texts.uuid(told.args.get("guest")), None if length is None else min(length, _MOST_LINES)
