"""What a typed row says, compared with the columns that a statement or a table gives."""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, Literal, Union, get_args, get_origin, get_type_hints

from sqlalchemy import JSON, Boolean, Column, Float, Integer, LargeBinary, Select, String
from sqlalchemy.sql.elements import Label
from sqlalchemy.types import NullType, TypeEngine

from cumulet.db import TypedRow, rows

_PYTHON: list[tuple[type[TypeEngine[Any]], type]] = [
    (Boolean, bool),
    (Integer, int),
    (Float, float),
    (String, str),
    (LargeBinary, bytes),
]
_JSON = {dict, list, str, int, float, bool}


def fields(kind: type[TypedRow]) -> dict[str, Any]:
    """Attribute → type of a class, those of its parents first."""
    hints = get_type_hints(kind)
    return {name: hint for name, hint in hints.items() if get_origin(hint) is not ClassVar}


def faults(kind: type[TypedRow], columns: Iterable[Any], *, exact: bool) -> list[str]:
    """What the class says otherwise than the columns. `exact`: it may not call None what never is; a statement may,
    as an outer join makes NULL of any column."""
    named = {column.key: column for column in columns}
    said = fields(kind)
    found = [f"{kind.__name__}.{name} is no column" for name in said.keys() - named.keys()]
    found += [f"{kind.__name__} lacks {name}" for name in named.keys() - said.keys()]
    if exact and not found and list(said) != list(named):
        found.append(f"{kind.__name__} has another order than {list(named)}")
    for name in said.keys() & named.keys():
        found += _of_column(f"{kind.__name__}.{name}", said[name], named[name], exact=exact)
    return sorted(found)


def _plain(hint: Any) -> set[Any]:
    """``dict[str, Any]`` → dict, and the type of what may be one of several values."""
    return {type(value) for value in get_args(hint)} if get_origin(hint) is Literal else {get_origin(hint) or hint}


def _of_column(name: str, hint: Any, column: Any, *, exact: bool) -> Iterator[str]:
    while isinstance(column, Label):
        column = column.element
    if hint is Any:
        if not isinstance(column.type, JSON | NullType):
            yield f"{name} is Any, not {column.type!r}"
        return
    parts = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    plain = {kind for part in parts for kind in _plain(part)} - {type(None)}
    optional = type(None) in parts
    if isinstance(column.type, JSON):
        if not plain <= _JSON:
            yield f"{name} is {hint}, and JSON gives none"
    elif not isinstance(column.type, NullType):
        expected = next(python for kind, python in _PYTHON if isinstance(column.type, kind))
        if plain != {expected}:
            yield f"{name} is {hint}, not {expected.__name__}"
    if isinstance(column, Column):
        if column.nullable and not optional:
            yield f"{name} may be NULL"
        if exact and optional and not column.nullable:
            yield f"{name} is never NULL"


def _look(kind: type[TypedRow], statement: Select[Any]) -> None:
    found = faults(kind, statement.exported_columns, exact=False)
    assert not found, found


def look_at_every_statement() -> None:
    """From now on a statement of `select_as` that gives other than its class says is an AssertionError."""
    rows.look = _look
