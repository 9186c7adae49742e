"""The JSON schemas that the service shows, made from the declarations that it enforces."""

from __future__ import annotations

from typing import Any

from cumulet.http.bodies import Record, optional
from cumulet.services.image.wire import images, members, metadefs, tasks
from cumulet.services.image.wire.schema import Declared, links


def _closed(name: str, schema: Declared) -> Declared:
    return {"name": name, **schema, "additionalProperties": False}


def _without_definitions(schema: Declared) -> tuple[Declared, Declared]:
    inner = {key: value for key, value in schema.items() if key != "definitions"}
    return inner, {"definitions": schema["definitions"]} if "definitions" in schema else {}


def _collection(name: str, item: Declared, *, plain: bool = False) -> Declared:
    """A page of items; `plain` is a list that has no pages."""
    inner, definitions = _without_definitions(item)
    pages = {} if plain else {"first": {"type": "string"}, "next": {"type": "string"}}
    rels = (("describedby", "schema"),) if plain else (("first", "first"), ("next", "next"), ("describedby", "schema"))
    return {
        "name": name,
        "properties": {name: {"type": "array", "items": inner}, **pages, "schema": {"type": "string"}},
        "links": links(*rels),
        **definitions,
    }


def _mapping(name: str, item: Declared) -> Declared:
    """A collection whose members stand under their names, which they then need not repeat."""
    unnamed = {**item, "required": [other for other in item["required"] if other != "name"]}
    inner, definitions = _without_definitions(unnamed)
    made = _collection(name, item)
    made["properties"][name] = {"type": "object", "additionalProperties": inner}
    return {**made, **definitions}


_IMAGE = {
    "name": "image",
    **images.SCHEMA,
    "links": links(("self", "self"), ("enclosure", "file"), ("describedby", "schema")),
}
_MEMBER = {"name": "member", **members.SCHEMA}
_TASK = {"name": "task", **tasks.SCHEMA}
_TASK_STUB = {"name": "task", **tasks.STUB_SCHEMA}
_NAMESPACE = _closed("namespace", metadefs.NAMESPACE)
_OBJECT = _closed("object", metadefs.OBJECT)
_PROPERTY = _closed("property", metadefs.PROPERTY)
_TAG = _closed("tag", metadefs.TAG)
_ASSOCIATION = _closed("resource_type_association", metadefs.ASSOCIATION)

SCHEMAS: dict[str, dict[str, Any]] = {
    "image": _IMAGE,
    "images": _collection("images", _IMAGE),
    "member": _MEMBER,
    "members": _collection("members", _MEMBER, plain=True),
    "task": _TASK,
    "tasks": _collection("tasks", _TASK_STUB, plain=True),
}
METADEFS: dict[str, dict[str, Any]] = {
    "namespace": _NAMESPACE,
    "namespaces": _collection("namespaces", _NAMESPACE),
    "object": _OBJECT,
    "objects": _collection("objects", _OBJECT),
    "property": _PROPERTY,
    "properties": _mapping("properties", _PROPERTY),
    "tag": _TAG,
    "tags": _collection("tags", _TAG),
    "resource_type": _ASSOCIATION,
    "resource_types": _collection("resource_type_associations", _ASSOCIATION),
}

SHOWN = Record(
    "JsonSchema",
    {
        "name": str,
        "properties": {str: dict},
        "required": optional([str]),
        "definitions": optional({str: dict}),
        "additionalProperties": optional(Any),
        "links": optional([{"rel": str, "href": str}]),
    },
)
