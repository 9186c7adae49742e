"""What simulated hosts can be told to do otherwise than at once and well: the shapes, and the one parser of the words.

A behaviour is a few words such as ``boot=2s``, ``boot=fail`` or ``crash=10s``. The operator gives them in rules, a
server's owner in its metadata (``cumulet:boot=fail``). What cannot be meant is refused, with what may have been meant.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Literal

import msgspec

from cumulet.desired.shape import Shape

METADATA = "cumulet:"
"""What a key of a server's metadata begins with when it is for the simulated host."""

LONGEST_S, LONGEST_DELAY_S = 86_400.0, 600.0
MOST_RULES, MOST_NTH = 1_000, 10_000
_LONGEST_NAME = 255
_TIME = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)(ms|s|m)?", re.ASCII)
_RATE = re.compile(r"(\d{1,3}(?:\.\d{1,6})?)%", re.ASCII)
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, None: 1.0}


class SimulationError(ValueError):
    """An order, or a start state, that cannot be carried out, as a sentence."""


class Deed(Shape):
    """How a host does one kind of work: after `seconds`, failing at the rate `fail` (0 to 1), or `never`."""

    seconds: float = 0.0
    fail: float = 0.0
    never: bool = False


class Deeds(Shape):
    """How a host does its work, as far as it is said. `crash` and `power_off`: seconds after which a guest that was
    started ends by itself."""

    boot: Deed | None = None
    start: Deed | None = None
    stop: Deed | None = None
    reboot: Deed | None = None
    delete: Deed | None = None
    crash: float | None = None
    power_off: float | None = None


WORKS = ("boot", "start", "stop", "reboot", "delete")
ENDS = {"crash": "crash", "power-off": "power_off"}


class Rule(Shape):
    """`do` is for the guests whose name fits `match_name` on hosts whose name fits `match_host` (``*`` and ``?``; None:
    all), of those that come after the rule the `nth` alone, or the first `times`."""

    do: list[str]
    match_name: str | None = None
    match_host: str | None = None
    nth: int | None = None
    times: int | None = None


class HostOrder(Shape):
    """`down`: the host dies, and its guests with it. `cut`: nobody hears of it, its guests run on. `up`: it is back."""

    name: str
    state: Literal["up", "down", "cut"]


class GuestOrder(Shape):
    """A running guest, by its id or name, ends by itself."""

    name: str
    event: Literal["crash", "power-off"]


class FaultOrder(Shape):
    """An operation of an API (``compute:POST:/servers``) answers with `status`, or after `delay`, or both; the next
    `times` times (None: always). `retry_after` in seconds."""

    operation: str
    status: int | None = None
    delay: str | None = None
    times: int | None = None
    retry_after: int | None = None


class Order(Shape):
    """One of them, or none, which asks how things are. `clear`: the number of a rule, or True for all that was told."""

    rule: Rule | None = None
    host: HostOrder | None = None
    server: GuestOrder | None = None
    fault: FaultOrder | None = None
    clear: bool | int | None = None


def order(raw: Any) -> Order:
    """An order out of JSON, checked. Raises SimulationError."""
    found: Order = _converted(raw, Order, "an order")
    given = [name for name in Order.__struct_fields__ if getattr(found, name) is not None]
    if len(given) > 1:
        raise SimulationError(f"one thing at a time, not {' and '.join(given)}")
    if found.rule is not None:
        _check_rule(found.rule)
    if found.fault is not None:
        _check_fault(found.fault)
    for each in (found.host, found.server):
        if each is not None:
            _check_name(each.name)
    if found.clear is False:
        raise SimulationError("clear is true, or the number of a rule")
    return found


def deeds(words: Iterable[str]) -> Deeds:
    """What ``boot=2s,fail`` and the like say together; a later word wins. Raises SimulationError."""
    found: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if name not in (*WORKS, *ENDS):
            raise SimulationError(f"there is no behaviour {_shown(name)}{meant(name, (*WORKS, *ENDS))}")
        if not equals or not text:
            raise SimulationError(f"{name} needs a value, such as {name}={'fail' if name in WORKS else '5s'}")
        if name in ENDS:
            found[ENDS[name]] = seconds(name, text)
        else:
            found[name] = _deed(name, text)
    return Deeds(**found)


def of_metadata(meta: Mapping[str, str]) -> dict[str, str]:
    """The items of a server's metadata that are for its simulated host, without `METADATA`. Raises SimulationError."""
    found = {name[len(METADATA) :]: text for name, text in meta.items() if name.startswith(METADATA)}
    deeds(f"{name}={text}" for name, text in found.items())
    return found


def merged(layers: Iterable[Deeds]) -> Deeds:
    """Each kind of work as the first of `layers` has it that says something of it."""
    found: dict[str, Any] = {}
    for layer in layers:
        for name in Deeds.__struct_fields__:
            value = getattr(layer, name)
            if value is not None:
                found.setdefault(name, value)
    return Deeds(**found)


def fits(pattern: str | None, text: str) -> bool:
    """Whether `text` is like `pattern`, in which ``*`` stands for any letters and ``?`` for one. At most as many steps
    as the product of their lengths."""
    if pattern is None:
        return True
    at = place = 0
    star, kept = -1, 0
    while at < len(text):
        if place < len(pattern) and pattern[place] == "*":
            star, kept = place, at
            place += 1
        elif place < len(pattern) and pattern[place] in ("?", text[at]):
            place, at = place + 1, at + 1
        elif star >= 0:
            kept += 1
            place, at = star + 1, kept
        else:
            return False
    return not pattern[place:].strip("*")


def meant(word: str, known: Collection[str]) -> str:
    """``; did you mean X?``, or what there is when nothing is like it."""
    near = difflib.get_close_matches(word[:64], known, 1, 0.5)
    return f"; did you mean {near[0]}?" if near else f" (there are {', '.join(known)})"


def _deed(name: str, text: str) -> Deed:
    found = Deed()
    for part in text.split(","):
        rate = _RATE.fullmatch(part)
        if part == "fail":
            found.fail = 1.0
        elif part == "never":
            found.never = True
        elif rate is not None and float(rate[1]) <= 100:
            found.fail = float(rate[1]) / 100
        else:
            found.seconds = seconds(name, part)
    return found


def seconds(name: str, text: str) -> float:
    """A time such as 2s or 300ms, said of `name`. Raises SimulationError."""
    told = _TIME.fullmatch(text)
    if told is None:
        kinds = "fail, never, a rate such as 30%, or a time" if name in WORKS else "a time"
        near = difflib.get_close_matches(text[:64], ("fail", "never"), 1) if name in WORKS else []
        hint = f"did you mean {name}={near[0]}?" if near else f"it is {kinds} such as 2s or 300ms"
        raise SimulationError(f"{name}={_shown(text)} cannot be understood; {hint}")
    found = float(told[1]) * _UNITS[told[2]]
    if found > LONGEST_S:
        raise SimulationError(f"{name}={text} is longer than a day")
    return found


def _check_rule(rule: Rule) -> None:
    if not rule.do:
        raise SimulationError("a rule says what is to be done, such as boot=fail")
    if len(rule.do) > len(WORKS) + len(ENDS):
        raise SimulationError("a rule says one thing of each kind of work")
    deeds(rule.do)
    for pattern in (rule.match_name, rule.match_host):
        if pattern is not None:
            _check_name(pattern)
    if rule.nth is not None and rule.times is not None:
        raise SimulationError("a rule is for the nth guest, or for the first times of them, not for both")
    for what, number in (("nth", rule.nth), ("times", rule.times)):
        if number is not None and not 1 <= number <= MOST_NTH:
            raise SimulationError(f"{what} is from 1 to {MOST_NTH}, not {number}")


def _check_fault(fault: FaultOrder) -> None:
    _check_name(fault.operation)
    if fault.status is None and fault.delay is None:
        raise SimulationError("a fault has a status or a delay")
    if fault.status is not None and not 400 <= fault.status <= 599:
        raise SimulationError(f"status is from 400 to 599, not {fault.status}")
    for what, number in (("times", fault.times), ("retry_after", fault.retry_after)):
        if number is not None and not 1 <= number <= MOST_NTH:
            raise SimulationError(f"{what} is from 1 to {MOST_NTH}, not {number}")
    if fault.delay is not None and seconds("delay", fault.delay) > LONGEST_DELAY_S:
        raise SimulationError(f"a delay is at most {LONGEST_DELAY_S:.0f} s")


def _check_name(text: str) -> None:
    if not 1 <= len(text) <= _LONGEST_NAME or not text.isprintable():
        raise SimulationError(f"a name or pattern has 1 to {_LONGEST_NAME} printable letters")


def _converted(raw: Any, shape: type[Any], what: str) -> Any:
    """`raw` as `shape`, whose fields may be shapes. Raises SimulationError for a field that there is not."""
    if not isinstance(raw, Mapping):
        raise SimulationError(f"{what} is a JSON object")
    nested = {"rule": Rule, "host": HostOrder, "server": GuestOrder, "fault": FaultOrder}
    inner = nested if shape is Order else {}
    for name, value in raw.items():
        if name not in shape.__struct_fields__:
            raise SimulationError(f"{what} has no {_shown(name)}{meant(name, shape.__struct_fields__)}")
        if name in inner and value is not None:
            _converted(value, inner[name], name)
    try:
        return msgspec.convert(raw, shape)
    except msgspec.ValidationError as error:
        raise SimulationError(f"{what} cannot be understood: {error}") from None


def _shown(text: object) -> str:
    return ascii(text)[:80].strip("'")
