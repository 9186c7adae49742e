"""JSON Schemas of shapes, with the microversion window of each field."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from cumulet.http.bodies import REF, Named, Schema, Shape
from cumulet.http.shapes import nested, windows
from cumulet.http.versions import Version, text


def schemas(shapes: Iterable[Any]) -> tuple[dict[Any, Schema], Named]:
    """(schema of each shape, components that they refer to). Raises `ValueError` when two of them have one name."""
    asked = list(dict.fromkeys(shapes))
    components = Named()
    typed = [shape for shape in asked if isinstance(shape, type) or not isinstance(shape, Shape)]
    found = dict(zip(typed, _of_types(typed, components), strict=True))
    found.update((shape, shape.schema(None, components)) for shape in asked if shape not in found)
    return found, components


def of_type(type: Any, version: Version | None, named: Named | None) -> Schema:
    """JSON Schema of what msgspec knows. At a version, fields that do not exist are left out."""
    if named is not None:
        return _of_types([type], named)[0]
    components = Named()
    (found,) = _of_types([type], components, version)
    inlined: Schema = _inlined(found, components)
    return inlined


def _of_types(types: list[Any], components: Named, version: Version | None = None) -> list[Schema]:
    """Schemas of `types`; what they refer to comes into `components`."""
    structs = list(dict.fromkeys(struct for shape in types for struct in _structs(shape)))
    found, made = msgspec.json.schema_components([*types, *structs], ref_template=REF, schema_hook=lambda _: {})
    _spell_patterns([found, made])
    for struct, schema in zip(structs, found[len(types) :], strict=True):
        described = made[schema["$ref"].rpartition("/")[2]]
        if version is None:
            _mark(described, struct)
        else:
            _hide(described, struct, version)
    components.update(made)
    return list(found[: len(types)])


def _hide(schema: Schema, struct: type, version: Version) -> None:
    """Leave out the fields that do not exist at `version`."""
    for name, (first, last) in windows(struct).items():
        if not first <= version <= last:
            del schema["properties"][name]


def _inlined(schema: Any, components: Named) -> Any:
    """`schema` with what it refers to in place."""
    if isinstance(schema, dict):
        if "$ref" in schema:
            return _inlined(components[schema["$ref"].rpartition("/")[2]], components)
        return {name: _inlined(inner, components) for name, inner in schema.items()}
    return [_inlined(inner, components) for inner in schema] if isinstance(schema, list) else schema


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


def parameters(shape: type) -> list[Schema]:
    """A query's struct as OpenAPI's parameters."""
    found, components = schemas([shape])
    schema = components[found[shape]["$ref"].rpartition("/")[2]]
    required = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": field}
        for name, field in schema["properties"].items()
    ]
