"""What an extension of the API is: all that it adds, as one value. Knows no extension and no noun.

Resources collect what extensions add when they are loaded (`cumulet.services.network.extensions`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct, field
from sqlalchemy import ColumnElement, Table

from cumulet.auth import Rule
from cumulet.db import Transaction
from cumulet.services.network.wire.attributes import Attribute, Resource

Body = dict[str, Any]
Filter = Callable[[Sequence[str]], ColumnElement[bool]]
Settle = Callable[[Transaction, Any], None]
Finish = Callable[[Transaction, Any], None]
Show = Callable[[Transaction, Sequence[Any], list[Body]], None]
Erased = Callable[[Transaction, Sequence[str]], None]

EVERY = "*"
"""Stands for every resource, where an extension says which one it adds to."""


class Extension(Struct, frozen=True):
    """An extension. Every mapping has names of resources (``port``), or `EVERY`, as its keys.

    `listed`: whether clients see the alias; one of which nothing works is not shown, whatever attributes it adds.

    - `resources`: nouns that it brings; `tables`: where its rows are; `rules`: its rules of policy.
    - `adds`: attributes of other extensions' or of the core's resources.
    - `columns`: names on the wire that are columns of another name.
    - `constants`: attributes that always have the same value.
    - `filters`: conditions of lists for names that are no columns.
    - `settles`: looks at a `Draft` before it is written, completes its columns and raises what does not fit.
    - `finishes`: writes what belongs to a draft, after its row was written.
    - `erased`: drops what belongs to resources, before their rows are deleted (ids).
    - `shows`: adds attributes that are no columns to bodies (rows, bodies in the same order).
    """

    alias: str
    name: str
    description: str
    listed: bool = True
    resources: tuple[Resource, ...] = ()
    tables: tuple[Table, ...] = ()
    rules: Sequence[Rule] = ()
    adds: Mapping[str, Mapping[str, Attribute]] = field(default_factory=dict)
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    constants: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    filters: Mapping[str, Mapping[str, Filter]] = field(default_factory=dict)
    settles: Mapping[str, Settle] = field(default_factory=dict)
    finishes: Mapping[str, Finish] = field(default_factory=dict)
    erased: Mapping[str, Erased] = field(default_factory=dict)
    shows: Mapping[str, Show] = field(default_factory=dict)
