"""Asks every operation as every persona, and writes and compares the tables of ``expected/``.

A table has one line per request: a cell per persona, then the operation. What a cell says:

    +  allowed           o  allowed, and what belongs to *own* is not in the list
    1  401               3  403               4  404, as if it were not there
    0  400               9  409               x  any other refusal

The tables were measured: the same requests went to Keystone 30.0.0, Glance 33.0.0 and Placement 16.0.0 with their
default policies, and the answers were read line by line; for network and compute, the default rules of Neutron
29.0.0 and Nova 34.0.0 were evaluated for each caller. That is the letter (`KEYSTONES_LETTER`), under which the admin
of any project is everywhere an admin: column C is what the originals answer to *far*'s. What is in force without it
follows from the same tables: see `safe`. Lines that begin with ``#`` say why the line below is another.
A new operation gets its line from the original's default policy, never from what ours happens to answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.matrix.asking import Ask, filled
from tests.matrix.personas import PERSONAS, heading, split
from tests.matrix.world import World

EXPECTED = Path(__file__).parent / "expected"
CODES = {401: "1", 403: "3", 404: "4", 400: "0", 409: "9"}

_PARAMETER = re.compile(r"\{\*?(\w+)\}")

Send = Callable[[str, str, Any, str, dict[str, str]], tuple[int, str]]
"""(method, path, body, query, headers) → status and text of the answer."""


def key(operation: str, ask: Ask) -> str:
    return f"{operation} ({ask.label})" if ask.label else operation


def cell(status: int, text: str, shown: str) -> str:
    """One cell of the table."""
    if status < 400:
        return "+" if not shown or shown in text else "o"
    return CODES.get(status, "x")


def row(
    operation: str, ask: Ask, send: Send, world: World, headers: Mapping[str, str], renew: Callable[[World], None]
) -> str:
    """Ask as everybody; the cells."""
    method, path = operation.split(" ")[:2]
    ids, cells = world.ids, ""
    for persona in PERSONAS:
        if ask.kept:
            renew(world)
        sent = {**headers, **filled(ask.headers, ids)}
        if persona.place:
            sent["x-auth-token"] = world.tokens[persona.name]
        place = filled(_PARAMETER.sub(r"${\1}", path), ids | filled(ask.where, ids))
        status, text = send(method, place, filled(ask.body, ids), filled(ask.query, ids), sent)
        cells += cell(status, text, filled(ask.shows, ids))
    return split(cells)


def load(service: str) -> dict[str, str]:
    """The table that is checked in: what the originals answer."""
    width = len(heading())
    lines = (EXPECTED / f"{service}.txt").read_text().splitlines()
    assert lines[0][2 : width + 2] == heading(), "the columns are other personas"
    found = {}
    for line in lines:
        if line.strip() and not line.startswith("#"):
            assert line[width + 2 :] not in found, f"twice: {line}"
            found[line[width + 2 :]] = line[:width]
    return found


def safe(table: Mapping[str, str]) -> dict[str, str]:
    """The table under the default rule of who administers the cloud: the role admin is worth what the role manager is
    worth in the same place, but for the system and for the first domain and its projects (``decisions/0028``)."""
    found = {}
    for line, cells in table.items():
        letters = dict(zip(((each.group, each.role) for each in PERSONAS), cells.replace(" ", ""), strict=True))
        for group, role in letters:
            if role == "admin" and (group, "manager") in letters:
                letters[group, role] = letters[group, "manager"]
        found[line] = split("".join(letters.values()))
    return found


def differences(table: Mapping[str, str], found: Mapping[str, str]) -> Iterator[str]:
    """What is not as the table says, in words."""
    for name, cells in found.items():
        wanted = table.get(name)
        if wanted is None:
            yield f"{name}: has no line in the table; it is\n{cells}  {name}"
            continue
        for persona, is_so, should in zip(PERSONAS, cells.replace(" ", ""), wanted.replace(" ", ""), strict=True):
            if is_so != should:
                yield f"{name}: {persona.name} has {is_so!r} and should have {should!r}"
