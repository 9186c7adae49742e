"""What a controller takes of a spec that a node remembers, when it makes rows of it: all of it must make sense.

A node leaves out of a spec what it cannot do and carries on (`node/net/intake.py`); a controller that makes rows of a
node's words takes no such liberty. Every check raises ValueError, which says what is wrong, and touches nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from cumulet.desired import texts
from cumulet.desired.checks import guest, network, port, router, security_group
from cumulet.desired.kinds import Kind

_MOST_TEXT = 1 << 17

CHECKS: Mapping[Kind, Callable[[Any], None]] = {
    "network": network.check,
    "security_group": security_group.check,
    "router": router.check,
    "port": port.check,
    "guest": guest.check,
}


def check(kind: Kind, spec: Any) -> None:
    """A spec of this kind, with its record."""
    CHECKS[kind](spec)
    for text in _texts(msgspec.to_builtins(spec)):
        if len(text) > _MOST_TEXT or not texts.plain(text):
            raise ValueError(f"a text that cannot be kept: {texts.shown(text)}")


def _texts(value: Any) -> Iterable[str]:
    """Every text in a tree of plain data."""
    level = [value]
    while level:
        each = level.pop()
        if isinstance(each, str):
            yield each
        elif isinstance(each, dict):
            level += [*each.keys(), *each.values()]
        elif isinstance(each, list | tuple):
            level += each
