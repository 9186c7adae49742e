"""What OpenStack's own references say: names of the fields of requests and answers, by operation and version.

Recorded by `record_samples` (and Neutron's by `record_neutron`) from OpenStack's repositories into ``facts/``, names
alone. A file has a paragraph per body:

    GET /v2.1/servers/{server_id} response
      at 2.1 2.9 2.47
      server/id
      server/locked 2.9-
      server/flavor/links -2.46

``at`` are the versions at which there is a sample; one holds until the next. ``*`` is a name that clients choose.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_ID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
FOLDER = Path(__file__).parent / "facts"
Version = tuple[int, int]
Names = dict[str, "Names"]
"""Names of an object's fields → those of what stands there; of a list, those of its items."""


@dataclass
class Fact:
    """A body: `samples` by version. `kind` is ``request`` or ``response``."""

    operation: str
    kind: str
    samples: dict[Version, Names] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.operation} {self.kind}"


def names_of(body: Any, chosen: frozenset[str] = frozenset(), within: str = "") -> Names:
    """The names in a JSON body. Below the fields `chosen`, names are the client's."""
    if isinstance(body, list):
        found: Names = {}
        for item in body:
            merge(found, names_of(item, chosen, within))
        return found
    if not isinstance(body, dict):
        return {}
    found = {}
    for name, value in body.items():
        free = within in chosen or _ID.fullmatch(name) or any(not (c.isalnum() or c in "_-:.") for c in name)
        merge(found.setdefault("*" if free else name, {}), names_of(value, chosen, "" if free else name))
    return found


def merge(into: Names, more: Names) -> None:
    """Add `more` to `into`."""
    for name, inner in more.items():
        merge(into.setdefault(name, {}), inner)


def _paths(names: Names, before: str = "") -> Iterator[str]:
    for name, inner in names.items():
        yield f"{before}{name}"
        yield from _paths(inner, f"{before}{name}/")


def version(text: str) -> Version:
    major, minor = text.split(".")
    return int(major), int(minor)


def _text(found: Version) -> str:
    return f"{found[0]}.{found[1]}"


def write(service: str, facts: Iterable[Fact]) -> None:
    """Put the facts of a service into its file."""
    lines: list[str] = []
    for fact in sorted(facts, key=lambda each: each.name):
        at = sorted(fact.samples)
        lines += [fact.name, "  at " + " ".join(map(_text, at))]
        held = {one: set(_paths(fact.samples[one])) for one in at}
        for path in sorted(set().union(*held.values())):
            lines.append(f"  {path}{_ranges(at, [one for one in at if path in held[one]])}")
        lines.append("")
    (FOLDER / f"{service}.txt").write_text("\n".join(lines))


def _ranges(at: list[Version], there: list[Version]) -> str:
    """`` 2.9-2.46 2.48-``: where a field is there; nothing when it is everywhere."""
    found, first = [], None
    for one, following in zip(at, [*at[1:], None], strict=True):
        if one in there and first is None:
            first = one
        if first is not None and (following is None or following not in there):
            end = "" if following is None else _text(one)
            found.append(f"{_text(first)}-{end}")
            first = None
    return "" if there == at else " " + " ".join(found)


def load(service: str) -> dict[str, Fact]:
    """The facts of a service by name."""
    found: dict[str, Fact] = {}
    fact = Fact("", "")
    for line in (FOLDER / f"{service}.txt").read_text().splitlines():
        if not line.startswith(" "):
            if line:
                operation, _, kind = line.rpartition(" ")
                fact = found[line] = Fact(operation, kind)
        elif line.startswith("  at "):
            fact.samples = {version(text): {} for text in line.split()[1:]}
        else:
            path, *ranges = line.split()
            for one, names in fact.samples.items():
                if not ranges or any(_within(one, each) for each in ranges):
                    _put(names, path.split("/"))
    return found


def _within(one: Version, text: str) -> bool:
    first, _, last = text.partition("-")
    return version(first) <= one and (not last or one <= version(last))


def _put(names: Names, path: list[str]) -> None:
    for name in path:
        names = names.setdefault(name, {})


# ---- ours beside theirs


def differences(schema: Mapping[str, Any], names: Names, *, whole: bool, at: str = "") -> Iterator[str]:
    """Fields that one of both has and the other has not: ``+path`` is theirs alone, ``-path`` ours alone. `whole`: what
    we always have must be theirs, too."""
    shapes = list(_alternatives(schema))
    known: dict[str, list[Any]] = {}
    for shape in shapes:
        for name, inner in shape.get("properties", {}).items():
            known.setdefault(name, []).append(inner)
    free = [shape for shape in shapes if shape.get("additionalProperties", True) is not False]
    for name, inner in names.items():
        if name in known:
            yield from differences({"anyOf": known[name]}, inner, whole=whole, at=f"{at}{name}/")
        elif not free and shapes:
            yield f"+{at}{name}"
    if names and whole and len(shapes) == 1 and "*" not in names:
        yield from (f"-{at}{name}" for name in shapes[0].get("required", ()) if name not in names)


def _alternatives(schema: Any) -> Iterator[Mapping[str, Any]]:
    """The objects that a schema allows; of lists, their items."""
    if not isinstance(schema, Mapping):
        return
    for inner in schema.get("anyOf", ()):
        yield from _alternatives(inner)
    if "items" in schema:
        yield from _alternatives(schema["items"])
    if "properties" in schema or "additionalProperties" in schema:
        yield schema
    elif schema.get("type") == "object" or ("anyOf" not in schema and "type" not in schema):
        yield {"additionalProperties": True}
