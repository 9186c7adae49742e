"""Shapes of requests and answers: msgspec structs whose fields may have a window of microversions.

    class Server(Wire):
        description: Annotated[str | None | UnsetType, Since("2.19")] = UNSET

A request that holds a field outside its window is refused as if the field did not exist; an answer leaves it out.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct

from cumulet.http.versions import Version


class Since(Struct, frozen=True):
    """The field exists from this microversion on."""

    version: str


class Until(Struct, frozen=True):
    """The field exists up to and with this microversion."""

    version: str


class Wire(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Base of every shape. Fields that are UNSET are left out of answers."""


class Open(msgspec.Struct, kw_only=True):
    """Base of request shapes that tolerate unknown fields, as some older APIs do."""


class Invalid(Exception):
    """The request does not fit its shape. `path` is dotted, `value` what stood there, `problem` the reason."""

    def __init__(self, path: str, value: Any, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path, self.value, self.problem = path, value, problem


def only(key: str, shape: Any) -> type[Wire]:
    """The shape of an object with `key` alone; what stands under it is `arguments`."""
    words = re.findall(r"[A-Za-z0-9]+", key)
    name = "".join(word[0].upper() + word[1:] for word in words)
    made: Any = msgspec.defstruct(name, [("arguments", shape)], bases=(Wire,), rename={"arguments": key}, kw_only=True)
    shape_of_it: type[Wire] = made
    return shape_of_it


_ALWAYS = ((0, 0), (9999, 9999))


def _version(text: str) -> Version:
    major, minor = text.split(".")
    return int(major), int(minor)


@cache
def windows(shape: type) -> dict[str, tuple[Version, Version]]:
    """Fields of `shape` that have a window: wire name → (first, last) version."""
    found: dict[str, tuple[Version, Version]] = {}
    hints = get_type_hints(shape, include_extras=True)
    for field in msgspec.structs.fields(shape):
        first, last = _ALWAYS
        for mark in _marks(hints[field.name]):
            if isinstance(mark, Since):
                first = _version(mark.version)
            elif isinstance(mark, Until):
                last = _version(mark.version)
        if (first, last) != _ALWAYS:
            found[field.encode_name] = (first, last)
    return found


def _marks(hint: Any) -> list[Any]:
    return list(get_args(hint)[1:]) if get_origin(hint) is Annotated else []


@cache
def _hidden(shape: type, version: Version) -> frozenset[str]:
    """Wire names of fields that do not exist at `version`."""
    return frozenset(n for n, (first, last) in windows(shape).items() if not first <= version <= last)


@cache
def nested(shape: type) -> tuple[tuple[str, type], ...]:
    """Fields that hold structs: (wire name, struct)."""
    hints = get_type_hints(shape)
    found = []
    for field in msgspec.structs.fields(shape):
        for part in _parts(hints[field.name]):
            if isinstance(part, type) and issubclass(part, msgspec.Struct):
                found.append((field.encode_name, part))
    return tuple(found)


def _parts(hint: Any) -> list[Any]:
    inner = get_args(hint)
    return [hint] if not inner else [part for arg in inner for part in _parts(arg)]


T = TypeVar("T")


def parse(shape: type[T], raw: Any, version: Version) -> T:
    """`raw` (decoded JSON) as `shape` at `version`. Raises `Invalid`."""
    _refuse_hidden(shape, raw, version, "")
    try:
        return msgspec.convert(raw, shape)
    except msgspec.ValidationError as error:
        raise _explained(raw, str(error)) from None


def _refuse_hidden(shape: Any, raw: Any, version: Version, path: str) -> None:
    if isinstance(raw, list):
        for index, item in enumerate(raw):
            _refuse_hidden(shape, item, version, f"{path}.{index}")
        return
    if not isinstance(raw, dict) or not isinstance(shape, type) or not issubclass(shape, msgspec.Struct):
        return
    for name in _hidden(shape, version):
        if name in raw:
            raise Invalid(path.strip("."), raw, f"Additional properties are not allowed ('{name}' was unexpected)")
    for name, inner in nested(shape):
        if name in raw:
            _refuse_hidden(inner, raw[name], version, f"{path}.{name}")


_AT = re.compile(r"(?P<problem>.*?)(?: - at `(?P<path>[^`]*)`)?", re.S)
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.S)
_MISSING = re.compile(r"Object missing required field `(.*)`", re.S)
_LONG = re.compile(r"Expected `(str|array|object)` of length (<=|>=) (\d+)")
_RANGE = re.compile(r"Expected `(?:int|float)` (<=|>=|<|>) (-?[\d.]+)")
_TYPE = re.compile(r"Expected `(?P<want>[^`]*)`, got `(?P<got>[^`]*)`")
_PATTERN = re.compile(r"Expected `str` matching regex (.*)", re.S)
_JSON_TYPES = {"str": "string", "int": "integer", "bool": "boolean", "float": "number", "null": "null"}


def _explained(raw: Any, message: str) -> Invalid:
    """msgspec's message in the words of JSON Schema, which OpenStack's clients and users know."""
    match = _AT.fullmatch(message)
    assert match is not None
    value, steps = _offender(raw, _STEP.findall(match["path"] or ""), match["problem"])
    return Invalid(".".join(steps), value, _words(match["problem"], value))


def _offender(value: Any, steps: list[tuple[str, str]], problem: str) -> tuple[Any, list[str]]:
    """What stands at the end of the path, and the path. msgspec says ``...`` for a key of a mapping: the first value
    that has the problem is meant."""
    if not steps:
        return value, []
    (name, index), rest = steps[0], steps[1:]
    if index != "...":
        try:
            inner = value[name] if name else value[int(index)]
        except (KeyError, IndexError, TypeError, ValueError):
            inner = None
        found, path = _offender(inner, rest, problem)
        return found, [name or index, *path]
    entries = value.items() if isinstance(value, dict) else ()
    tried = [(*_offender(inner, rest, problem), str(key)) for key, inner in entries]
    for found, path, key in tried:
        if _has(problem, found):
            return found, [key, *path]
    return None, ["...", *(name or index for name, index in rest)]


def _has(problem: str, value: Any) -> bool:
    """Whether the value has the problem that msgspec found."""
    if found := _LONG.fullmatch(problem):
        sized = isinstance(value, str | list | dict)
        return sized and (len(value) > int(found[3]) if found[2] == "<=" else len(value) < int(found[3]))
    if found := _RANGE.fullmatch(problem):
        number = isinstance(value, int | float) and not isinstance(value, bool)
        bound = float(found[2])
        return (
            number
            and not {"<=": value <= bound, ">=": value >= bound, "<": value < bound, ">": value > bound}[found[1]]
        )
    if found := _MISSING.fullmatch(problem):
        return isinstance(value, dict) and found[1] not in value
    if found := _UNKNOWN.fullmatch(problem):
        return isinstance(value, dict) and found[1] in value
    if found := _TYPE.fullmatch(problem):
        return _kind(value) not in [want.strip() for want in found["want"].split("|")]
    return True


def _kind(value: Any) -> str:
    """msgspec's name of a JSON value's type."""
    names: dict[type, str] = {str: "str", bool: "bool", int: "int", float: "float", list: "array", dict: "object"}
    return names.get(type(value), "null")


_MOST_SHOWN = 1000


def _shown(value: Any) -> str:
    """A value of the request as errors repeat it: no answer is as long as what was sent."""
    text = repr(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."


def _words(problem: str, value: Any) -> str:
    if found := _UNKNOWN.fullmatch(problem):
        return f"Additional properties are not allowed ({_shown(found[1])} was unexpected)"
    if found := _MISSING.fullmatch(problem):
        return f"{_shown(found[1])} is a required property"
    if found := _LONG.fullmatch(problem):
        return f"{_shown(value)} is too {'long' if found[2] == '<=' else 'short'}"
    if found := _RANGE.fullmatch(problem):
        above = found[1].startswith("<")
        comparison = "greater than the maximum" if above else "less than the minimum"
        return f"{_shown(value)} is {comparison} of {found[2]}"
    if found := _PATTERN.fullmatch(problem):
        # JSON Schema's `$` is what Python spells \\Z: its own `$` is true before a last line's end, too.
        pattern = found[1].replace(r"\\Z", "$")
        return f"{_shown(value)} does not match {pattern}"
    if found := _TYPE.fullmatch(problem):
        wanted = [_JSON_TYPES.get(want.strip(), want.strip()) for want in found["want"].split("|")]
        return f"{_shown(value)} is not of type {', '.join(repr(want) for want in wanted)}"
    return problem


def trimmed(body: Any, version: Version) -> Any:
    """`body` (a struct, or lists and dicts of structs) without the fields that do not exist at `version`."""
    if isinstance(body, msgspec.Struct):
        shape = type(body)
        if not _windowed(shape):
            return body
        hidden = _hidden(shape, version)
        for field in msgspec.structs.fields(shape):
            if field.encode_name in hidden:
                setattr(body, field.name, msgspec.UNSET)
        for name, _inner in _nested_names(shape):
            trimmed(getattr(body, name), version)
    elif isinstance(body, list | dict):
        for item in body.values() if isinstance(body, dict) else body:
            if not isinstance(item, _LEAVES):  # most are: a call for each would cost more than encoding them
                trimmed(item, version)
    return body


_LEAVES = (str, int, float, type(None))


@cache
def _nested_names(shape: type) -> tuple[tuple[str, type], ...]:
    names = {field.encode_name: field.name for field in msgspec.structs.fields(shape)}
    return tuple((names[wire], inner) for wire, inner in nested(shape))


@cache
def _windowed(shape: type) -> bool:
    """Whether a field of `shape`, or of a struct in it, has a window."""
    return bool(windows(shape)) or any(_windowed(inner) for _, inner in nested(shape))
