"""What bodies and queries look like: the one interface by which http meets every way to say it.

Shapes of answers that handlers make as plain dicts are written down as they look:

    ROLE = Record("Role", {
        "id": str,
        "description": str | None,
        "options": optional(dict),          # may be left out
        "tags": since("2.26", [str]),       # exists from this microversion on
        "links": {"self": str},             # an object with exactly these fields
        "extra": {str: str},                # an object with any names
    })

They are never checked while a cloud runs: documents show them, and tests hold each answer that they see against them.
Requests are checked by whoever has a `parse`: msgspec's structs (`Struct`), or a service's own way
(``decisions/0048``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from types import UnionType
from typing import Any, Literal, Protocol, get_args, get_origin, runtime_checkable

import msgspec

from cumulet.http import shapes
from cumulet.http.versions import Version, text

Schema = dict[str, Any]
REF = "#/components/schemas/{name}"


class Named(dict[str, Schema]):
    """Components of a document: schemas that others refer to by name."""

    def __init__(self) -> None:
        super().__init__()
        self._owners: dict[str, Any] = {}

    def new(self, name: str, owner: Any) -> bool:
        """Whether `owner` is not described yet. Raises `ValueError` for a name that another shape has."""
        if name in self and self._owners.get(name) is not owner:
            raise ValueError(f"two shapes are called {name}")
        self._owners[name] = owner
        return name not in self


_FIRST, _LAST = (0, 0), (9999, 9999)


@runtime_checkable
class Shape(Protocol):
    """What a body looks like."""

    def schema(self, version: Version | None, named: Named | None = None) -> Schema:
        """JSON Schema at `version`; None for all versions, with the window of each field beside it. What has a name
        goes into `named`, when there is one, and is referred to."""


@runtime_checkable
class Body(Shape, Protocol):
    """A shape that requests are checked against."""

    def parse(self, raw: Any, version: Version) -> Any:
        """`raw` (decoded JSON) as the handler gets it. Raises `Invalid`, or a fault in the service's own words."""


class Field:
    """A term of a `Record` that may be left out, or that exists at some versions alone. Made by the functions below."""

    def __init__(self, term: Any, *, needed: bool, first: Version = _FIRST, last: Version = _LAST) -> None:
        self.term, self.needed, self.first, self.last = term, needed, first, last

    def at(self, version: Version | None) -> bool:
        """Whether it exists at `version`; at all for None."""
        return version is None or self.first <= version <= self.last


def _field(term: Any) -> Field:
    return term if isinstance(term, Field) else Field(term, needed=True)


def optional(term: Any) -> Field:
    """A field that is not in every answer."""
    inner = _field(term)
    return Field(inner.term, needed=False, first=inner.first, last=inner.last)


def since(version: str, term: Any) -> Field:
    """A field that exists from `version` on."""
    inner = _field(term)
    return Field(inner.term, needed=inner.needed, first=_version(version), last=inner.last)


def until(version: str, term: Any) -> Field:
    """A field that exists up to and with `version`."""
    inner = _field(term)
    return Field(inner.term, needed=inner.needed, first=inner.first, last=_version(version))


def _version(written: str) -> Version:
    major, minor = written.split(".")
    return int(major), int(minor)


class OneOf:
    """A value that fits one of `terms`."""

    def __init__(self, *terms: Any) -> None:
        self.terms = terms

    def schema(self, version: Version | None, named: Named | None = None) -> Schema:
        """See `Shape`."""
        return _any_of(self.terms, version, named)


class Record:
    """An object. `name` is what documents call it; empty for what they show in place. The term of a field is a type
    (``str``, ``str | None``, ``dict``, ``Any``, ``Literal[…]``), a list with the term of its items, a dict with fields
    or with the key `str` and the term of all values, a `Record`, a `OneOf`, or a tuple of terms for different versions.
    `others` is the term of fields with any other name; without it there are none.
    """

    def __init__(self, name: str, fields: Mapping[str, Any], *, others: Any = None) -> None:
        self.name, self.fields, self.others = name, dict(fields), others

    def schema(self, version: Version | None, named: Named | None = None) -> Schema:
        """See `Shape`."""
        if named is None or not self.name:
            return self._schema(version, named)
        if named.new(self.name, self):
            named[self.name] = {}  # it may hold itself
            named[self.name] = self._schema(version, named)
        return {"$ref": REF.format(name=self.name)}

    def _schema(self, version: Version | None, named: Named | None) -> Schema:
        properties: dict[str, Schema] = {}
        required = []
        for name, term in self.fields.items():
            choices = [_field(one) for one in (term if isinstance(term, tuple) else (term,))]
            choices = [one for one in choices if one.at(version)]
            if not choices:
                continue
            found = [_marked(schema_of(one.term, version, named), one if version is None else None) for one in choices]
            properties[name] = found[0] if len(found) == 1 else {"anyOf": found}
            always = version is not None or (choices[0].first, choices[-1].last) == (_FIRST, _LAST)
            if always and all(one.needed for one in choices):
                required.append(name)
        made: Schema = {"type": "object", "properties": properties}
        if required:
            made["required"] = required
        made["additionalProperties"] = False if self.others is None else schema_of(self.others, version, named)
        return made

    def but(self, name: str, *left_out: str, **more: Any) -> Record:
        """The same fields without some, and with `more`, under another name."""
        kept = {field: term for field, term in self.fields.items() if field not in left_out}
        return Record(name, kept | more, others=self.others)


def _marked(schema: Schema, field: Field | None) -> Schema:
    """`schema` with the window of `field` beside it."""
    if field is None or (field.first, field.last) == (_FIRST, _LAST):
        return schema
    marks = {"x-openstack-min-version": text(field.first)} if field.first > _FIRST else {}
    if field.last < _LAST:
        marks["x-openstack-max-version"] = text(field.last)
    return {**schema, **marks}


def under(key: str, term: Any, **more: Any) -> Record:
    """A body that holds `term` under `key`, beside `more`."""
    return Record("", {key: term, **more})


class Versions:
    """A body that is another one at other versions: each of `terms` has a window."""

    def __init__(self, *terms: Field) -> None:
        self.terms = terms

    def schema(self, version: Version | None, named: Named | None = None) -> Schema:
        """See `Shape`."""
        found = [
            _marked(schema_of(one.term, version, named), one if version is None else None)
            for one in self.terms
            if one.at(version)
        ]
        return found[0] if len(found) == 1 else {"anyOf": found}


class Media:
    """A body that is no JSON, of these media types."""

    def __init__(self, *types: str) -> None:
        self.types = types

    def schema(self, version: Version | None, named: Named | None = None) -> Schema:
        """See `Shape`: nothing is said of what it holds."""
        return {}


class Empty:
    """Answers without a body, of an operation whose handler's annotation does not say so."""

    def schema(self, version: Version | None, named: Named | None = None) -> Schema:
        """See `Shape`: no body fits."""
        return {"not": {}}


EMPTY = Empty()


class Query(Record):
    """Names of a list's query with the types of their values; a list is a name that may come several times. It is for
    documents and tests: the handler gets the raw mapping name → values."""

    def __init__(self, fields: Mapping[str, Any], *, others: Any = None) -> None:
        super().__init__("", {name: optional(term) for name, term in fields.items()}, others=others)

    def parameters(self) -> list[Schema]:
        """OpenAPI's parameters."""
        schema = self.schema(None)
        return [{"name": name, "in": "query", "schema": field} for name, field in schema["properties"].items()]

    def __or__(self, other: Query | Mapping[str, Any]) -> Query:
        found = Query({})
        found.fields = self.fields | (other.fields if isinstance(other, Query) else Query(other).fields)
        found.others = self.others
        return found


class Struct:
    """A msgspec struct, or any other type that msgspec knows."""

    def __init__(self, type: Any) -> None:
        self.type = type

    def parse(self, raw: Any, version: Version) -> Any:
        """See `Body`."""
        return shapes.parse(self.type, raw, version)

    def schema(self, version: Version | None, named: Named | None = None) -> Schema:
        """See `Shape`."""
        from cumulet.http import schemas  # which spells what msgspec knows

        return schemas.of_type(self.type, version, named)


class QueryStruct(Struct):
    """A msgspec struct that a query is read into: the last value of each name, as the type of its field."""

    def parse(self, raw: Any, version: Version) -> Any:
        """See `Body`; `raw` is name → values."""
        last = {name: values[-1] for name, values in raw.items()}
        try:
            return msgspec.convert(last, self.type, strict=False)
        except msgspec.ValidationError as error:
            raise shapes.Invalid("", last, str(error)) from None


@cache
def _struct(type: Any) -> Struct:
    return Struct(type)


def body_of(shape: Any) -> Body:
    """How requests are checked against `shape`: its own way, or msgspec's."""
    return shape if isinstance(shape, Body) and not isinstance(shape, type) else _struct(shape)


_TYPES: dict[Any, Schema] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    dict: {"type": "object"},
    list: {"type": "array"},
    type(None): {"type": "null"},
    None: {"type": "null"},
    Any: {},
}


def schema_of(term: Any, version: Version | None, named: Named | None = None) -> Schema:
    """JSON Schema of a term (see `Record`) or of a shape."""
    if isinstance(term, Shape) and not isinstance(term, type):
        return term.schema(version, named)
    for kinds, made in _WAYS:
        if isinstance(term, kinds):
            return made(term, version, named)
    if get_origin(term) is Literal:
        return {"enum": list(get_args(term))}
    if isinstance(term, type) and issubclass(term, msgspec.Struct):
        return _struct(term).schema(version, named)
    return dict(_TYPES[term])


def _listed(term: list[Any], version: Version | None, named: Named | None) -> Schema:
    (items,) = term
    return {"type": "array", "items": schema_of(items, version, named)}


def _object(term: dict[Any, Any], version: Version | None, named: Named | None) -> Schema:
    if str in term:
        return {"type": "object", "additionalProperties": schema_of(term[str], version, named)}
    return Record("", term).schema(version, named)


def _any_of(terms: tuple[Any, ...], version: Version | None, named: Named | None) -> Schema:
    found = [schema_of(one, version, named) for one in terms]
    if all(len(one) == 1 and isinstance(one.get("type"), str) for one in found):
        return {"type": [one["type"] for one in found]}
    return {"anyOf": found}


Way = Callable[[Any, Version | None, Named | None], Schema]
_WAYS: tuple[tuple[Any, Way], ...] = (
    (UnionType, lambda term, version, named: _any_of(get_args(term), version, named)),
    (list, _listed),
    (dict, _object),
)
