"""What an operation is asked with in the matrix: a smallest valid request about something of the project *own*.

Texts may name things of the world: ``$user_id`` is the id of the user whom everything belongs to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from string import Template
from typing import Any


@dataclass(frozen=True)
class Ask:
    """`label` tells several requests to one operation apart. `where`: parameters of the path that differ from the
    service's usual ones. `shows`: what must be in the answer for the object to have been shown, of lists. `kept`: it
    takes several transactions that build on each other, so what it writes is kept, and it gets a fresh object."""

    body: Any = None
    label: str = ""
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    where: Mapping[str, str] = field(default_factory=dict)
    shows: str = ""
    kept: bool = False


def filled(value: Any, ids: Mapping[str, Any]) -> Any:
    """`value` with the world's ids in it."""
    if isinstance(value, str):
        return Template(value).substitute(ids) if "$" in value else value
    if isinstance(value, Mapping):
        return {filled(name, ids): filled(item, ids) for name, item in value.items()}
    if isinstance(value, list):
        return [filled(item, ids) for item in value]
    return value
