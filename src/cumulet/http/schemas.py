"""JSON Schemas of shapes, with the microversion window of each field."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from cumulet.http.shapes import nested, windows
from cumulet.http.versions import text

REF = "#/components/schemas/{name}"


def schemas(shapes: Iterable[Any]) -> tuple[dict[Any, dict[str, Any]], dict[str, Any]]:
    """(schema of each shape, components that they refer to)."""
    asked = list(dict.fromkeys(shapes))
    structs = list(dict.fromkeys(struct for shape in asked for struct in _structs(shape)))
    found, components = msgspec.json.schema_components([*asked, *structs], ref_template=REF, schema_hook=lambda _: {})
    _spell_patterns([found, components])
    for struct, schema in zip(structs, found[len(asked) :], strict=True):
        _mark(components[schema["$ref"].rpartition("/")[2]], struct)
    return dict(zip(asked, found, strict=False)), components


def _spell_patterns(schema: Any) -> None:
    """Python's end of a text as JSON Schema spells it."""
    if isinstance(schema, dict):
        if isinstance(schema.get("pattern"), str):
            schema["pattern"] = schema["pattern"].replace(r"\Z", "$")
        schema = list(schema.values())
    if isinstance(schema, list | tuple):
        for inner in schema:
            _spell_patterns(inner)


def _structs(shape: Any) -> list[type]:
    """The struct, if it is one, and those in it."""
    seen: list[type] = []

    def walk(one: Any) -> None:
        if isinstance(one, type) and issubclass(one, msgspec.Struct) and one not in seen:
            seen.append(one)
            for _, inner in nested(one):
                walk(inner)

    walk(shape)
    return seen


def _mark(schema: dict[str, Any], struct: type) -> None:
    """Write windows beside the fields that have one."""
    for name, (first, last) in windows(struct).items():
        field = schema["properties"][name]
        if first > (0, 0):
            field["x-openstack-min-version"] = text(first)
        if last < (9999, 9999):
            field["x-openstack-max-version"] = text(last)


def parameters(shape: type) -> list[dict[str, Any]]:
    """A query's shape as OpenAPI's parameters."""
    found, components = schemas([shape])
    schema = components[found[shape]["$ref"].rpartition("/")[2]]
    required = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": field}
        for name, field in schema["properties"].items()
    ]
