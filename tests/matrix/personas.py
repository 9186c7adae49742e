"""Who asks in the matrix: every kind of token there is, seen from one project that owns what is asked for.

*own* is that project, *near* another one of the same domain, *far* one of another domain; *domain* and *far domain* are
tokens for those domains themselves. Neither domain is the first one, the cloud's own, which *home* is a project of. The
order is that of the columns in ``expected/``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Persona:
    """`place` is what the token is for (see `PLACES`), `role` what its user has there. `column`: the letter that
    stands above its column."""

    group: str
    column: str
    place: str = ""
    role: str = ""

    @property
    def name(self) -> str:
        return self.group if self.role in ("", self.group) else f"{self.group} {self.role}"


def _in(group: str, place: str, roles: str) -> list[Persona]:
    letters = {"reader": "r", "member": "m", "manager": "M", "admin": "A"}
    return [Persona(group, letters[role], place, role) for role in roles.split()]


PERSONAS: list[Persona] = [
    Persona("anonymous", "-"),
    Persona("no role", "0", "nothing"),
    *_in("own", "own", "reader member manager admin"),
    *_in("near", "near", "reader member manager admin"),
    *_in("far", "far", "reader member manager admin"),
    *_in("domain", "inner", "reader manager admin"),
    *_in("far domain", "outer", "reader manager admin"),
    *_in("system", "system", "reader admin"),
    Persona("service", "S", "far", "service"),
    Persona("owner", "O", "own", ""),
    Persona("first domain", "F", "default", "admin"),
    Persona("cloud", "C", "home", "admin"),
]
"""`owner` is the user whose own things are asked for, a member of the project; `service` has that role alone;
`first domain` administers the domain `default`, and `cloud` a project of it (``decisions/0028``)."""

GROUPS = [(0, 2), (2, 6), (6, 10), (10, 14), (14, 17), (17, 20), (20, 22), (22, 26)]
"""Columns that stand together."""


def split(cells: str) -> str:
    """One letter per persona, in groups."""
    return " ".join(cells[start:end] for start, end in GROUPS)


def heading() -> str:
    return split("".join(persona.column for persona in PERSONAS))


def scope(place: str, ids: dict[str, Any]) -> Any:
    """Keystone's scope of a token for `place`."""
    if place == "system":
        return {"system": {"all": True}}
    if place in ("inner", "outer", "default"):
        return {"domain": {"id": ids[place]}}
    return {"project": {"id": ids[place]}} if place in ("own", "near", "far", "home") else "unscoped"
