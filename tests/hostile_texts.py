"""Texts that have become lines, rules and options of other people's software, and how to put them into a value.

`mutations` takes a valid value apart and answers it once per leaf and text, and per name of an object and some texts,
so that a new field of a request is tried without anybody thinking of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

MARK = "zqxj"
"""In every line that must not appear anywhere."""

SUFFIXES = (
    "\n",
    f"\n-P FORWARD ACCEPT {MARK}",
    f"\r\n{MARK}=1",
    "\x00",
    "\x0b",
    "\x1b[2J",
    "\x7f",
    "\x85",
    "\u2028",
    " ",
    "\u00a0",
    f"%lo -j RETURN\n-F neutron-linuxbri-sg-chain\n#{MARK}",
    "%eth0",
    f'" -j ACCEPT -m comment --comment "{MARK}',
    f",option:router,{MARK}",
)
"""Behind (and some of them before) a valid text."""

WHOLE = (
    "",
    " ",
    "\t",
    "\u0661\u0662",  # digits of another script
    "\uff11\uff10.\uff10.\uff10.\uff11",
    "\u00b2",
    f"fe80::1%lo -j RETURN\n-P FORWARD ACCEPT\n-F neutron-linuxbri-sg-chain\n#{MARK}/128",
    f"fe80:0:0:7::%{MARK}\ndef/64",
    f"fe80::53%x\nport={MARK}",
    f"fd00:9::%{MARK}\nb/64",
    "fe80::1%1",
    "0.0.0.0/0",
    "::/0",
    "10.0.0.0/255.0.0.0",
    "0x7f.1",
    "router\n",
    "9999",
    "Foo",
    "Z" * 64,
    "\U0001f600" * 241 + f"3,10.0.0.9,{MARK}",
    "x" * 300,
    "y" * 70_000,
    f"$({MARK})",
    f"../../{MARK}",
    f"</name><{MARK}/>",
)
"""In the place of a valid text."""


NAMES = ("\n", f"\n-P FORWARD ACCEPT {MARK}", "\u0661")
"""Behind the name of a part of an object; most are then names that nobody knows."""


def texts(valid: str) -> Iterator[str]:
    """What to send instead of a valid text."""
    for suffix in SUFFIXES:
        yield valid + suffix
    yield f"\n{valid}"
    yield f" {valid}"
    yield from WHOLE


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Every text and number in a value, with the way to it."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from leaves(inner, (*path, index))
    elif isinstance(value, str | int) and not isinstance(value, bool):
        yield path, value


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """A copy of `value` with `new` at the end of `path`."""
    if not path:
        return new
    key, rest = path[0], path[1:]
    if isinstance(value, dict):
        return {**value, key: replaced(value[key], rest, new)}
    return [replaced(inner, rest, new) if index == key else inner for index, inner in enumerate(value)]


def mutations(value: Any) -> Iterator[Any]:
    """`value` with one leaf or one name replaced, for every one of them."""
    for path, leaf in leaves(value):
        for text in texts(str(leaf)):
            yield replaced(value, path, text)
    yield from renamed(value)


def renamed(value: Any) -> Iterator[Any]:
    """`value` with another name for one part of an object in it."""
    if isinstance(value, dict):
        for key, inner in value.items():
            for ending in NAMES:
                yield {(name + ending if name == key else name): each for name, each in value.items()}
            yield from ({**value, key: other} for other in renamed(inner))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from ([*value[:index], other, *value[index + 1 :]] for other in renamed(inner))
