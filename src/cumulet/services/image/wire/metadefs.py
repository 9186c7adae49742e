"""Metadata definitions on the wire: namespaces and what they hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cumulet.db import iso
from cumulet.http.bodies import Query, Record
from cumulet.http.faults import NotAllowed
from cumulet.services.image.tables import (
    NamespaceObjectRow,
    NamespacePropertyRow,
    NamespaceRow,
    NamespaceTagRow,
    ResourceTypeAssociationRow,
)
from cumulet.services.image.wire.pages import SORTED_PAGE
from cumulet.services.image.wire.schema import Declared, Document, array, record, require, text

_KINDS = ["array", "boolean", "integer", "number", "object", "string", None]
_KIND: Declared = {"type": "string", "enum": _KINDS}
_READ_ONLY: Declared = {"readOnly": True, "type": "string"}
_TIME = text("An ISO 8601 time in UTC", readOnly=True, format="date-time")
_TIMES = {"created_at": _TIME, "updated_at": _TIME}
_NAME: Declared = {"type": "string", "maxLength": 80}
_COUNT = {"$ref": "#/definitions/positiveInteger"}
_COUNT_0 = {"$ref": "#/definitions/positiveIntegerDefault0"}

_PROPERTY_TYPE = {
    "name": _NAME,
    "title": {"type": "string"},
    "description": {"type": "string"},
    "operators": array({"type": "string"}),
    "type": _KIND,
    "required": {"$ref": "#/definitions/stringArray"},
    "minimum": {"type": "number"},
    "maximum": {"type": "number"},
    "maxLength": _COUNT,
    "minLength": _COUNT_0,
    "pattern": {"type": "string", "format": "regex"},
    "enum": {"type": "array"},
    "readonly": {"type": "boolean"},
    "confidential": {"type": "boolean"},
    "default": {},
    "items": record({"type": _KIND, "enum": {"type": "array"}}),
    "maxItems": _COUNT,
    "minItems": _COUNT_0,
    "uniqueItems": {"type": "boolean", "default": False},
    "additionalItems": {"type": "boolean"},
}
_DEFINITIONS: Declared = {
    "positiveInteger": {"type": "integer", "minimum": 0},
    "positiveIntegerDefault0": {"allOf": [{"$ref": "#/definitions/positiveInteger"}, {"default": 0}]},
    "stringArray": array({"type": "string"}, uniqueItems=True),
    "property": {
        "type": "object",
        "additionalProperties": record(_PROPERTY_TYPE, required=["title", "type"], additionalProperties=False),
    },
}
_PROPERTIES = {"$ref": "#/definitions/property"}
_OBJECT = {
    "name": _NAME,
    "description": {"type": "string"},
    "required": {"$ref": "#/definitions/stringArray"},
    "properties": _PROPERTIES,
}

PROPERTY: Declared = {
    "properties": _PROPERTY_TYPE,
    "required": ["type", "title", "name"],
    "definitions": {name: _DEFINITIONS[name] for name in ("positiveInteger", "positiveIntegerDefault0", "stringArray")},
}
OBJECT: Declared = {
    "properties": {**_OBJECT, "schema": _READ_ONLY, "self": _READ_ONLY, **_TIMES},
    "required": ["name"],
    "definitions": _DEFINITIONS,
}
TAG: Declared = {"properties": {"name": _NAME, **_TIMES}, "required": ["name"]}
TAGS: Declared = {"properties": {"tags": array(record({"name": _NAME}, required=["name"], additionalProperties=False))}}
ASSOCIATION: Declared = {
    "properties": {
        "name": text("A type of resource, named as the orchestration service names it", most=80),
        "prefix": text("What stands before the name of a property on this type, with its separator", most=80),
        "properties_target": text("Which of several sets of values of the type is meant", most=80),
        **_TIMES,
    },
    "required": ["name"],
}
NAMESPACE: Declared = {
    "properties": {
        "namespace": text("The namespace's name", most=80),
        "display_name": text("The name that people see", most=80),
        "description": text("What the namespace is about", most=500),
        "visibility": text("Who sees the namespace", enum=["public", "private"]),
        "protected": {"type": "boolean", "description": "Whether deleting is refused"},
        "owner": text("The project that owns the namespace", most=255),
        **_TIMES,
        "schema": _READ_ONLY,
        "self": _READ_ONLY,
        "resource_type_associations": array(
            record(
                {"name": _NAME, "prefix": _NAME, "properties_target": _NAME, **_TIMES},
                required=["name"],
                additionalProperties=False,
            )
        ),
        "properties": _PROPERTIES,
        "objects": array(
            record(
                {**_OBJECT, "schema": _READ_ONLY, "self": _READ_ONLY, **_TIMES},
                required=["name"],
                additionalProperties=False,
            )
        ),
        "tags": array(record({"name": _NAME, **_TIMES}, required=["name"], additionalProperties=False)),
    },
    "required": ["namespace"],
    "definitions": _DEFINITIONS,
}

# ---- requests -----------------------------------------------------------------------------------------------

_WRITTEN_BY_US = {
    "namespace": ("self", "schema", "created_at", "updated_at"),
    "object": ("self", "schema", "created_at", "updated_at"),
}


def given(name: str, schema: Declared, body: Mapping[str, Any]) -> dict[str, Any]:
    """A request's body that fits the schema. Raises 403 for what only the service writes, and 400."""
    for attribute in _WRITTEN_BY_US.get(name, ("created_at", "updated_at")):
        if attribute in body:
            raise NotAllowed(f"Attribute '{attribute}' is read-only.", code="HTTPForbidden")
    require(name, {"type": "object", **schema, "additionalProperties": False}, body)
    return dict(body)


class Asked(Document):
    """A request's body about a noun of metadata definitions, checked by `given` before anything is looked up."""

    def __init__(self, name: str, declared: Declared) -> None:
        closed = {**declared, "additionalProperties": False}
        super().__init__(closed, read=lambda body: given(name, declared, body))


NAMESPACE_CREATION = Document({**NAMESPACE, "additionalProperties": False})
NAMESPACE_UPDATE = Asked("namespace", NAMESPACE)
OBJECT_BODY = Asked("object", OBJECT)
PROPERTY_BODY = Asked("property", PROPERTY)
ASSOCIATION_BODY = Asked("resource_type_association", ASSOCIATION)
TAG_BODY = Asked("tag", TAG)
TAGS_BODY = Asked("tags", TAGS)

# ---- answers ------------------------------------------------------------------------------------------------


_Dated = NamespaceRow | ResourceTypeAssociationRow | NamespaceObjectRow | NamespaceTagRow


def _times(row: _Dated) -> dict[str, str]:
    return {"created_at": iso(row.created_at), "updated_at": iso(row.updated_at)}


def _known(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def namespace_shown(row: NamespaceRow) -> dict[str, Any]:
    """A namespace's JSON, without what it holds."""
    columns = ("namespace", "display_name", "description", "visibility", "protected", "owner")
    return {
        **_known({name: getattr(row, name) for name in columns}),
        **_times(row),
        "self": f"/v2/metadefs/namespaces/{row.namespace}",
        "schema": "/v2/schemas/metadefs/namespace",
    }


def association_shown(row: ResourceTypeAssociationRow) -> dict[str, Any]:
    """A type of resource that the namespace is for."""
    values = {"name": row.name, "prefix": row.prefix, "properties_target": row.properties_target}
    return {**_known(values), **_times(row)}


def object_shown(namespace: str, row: NamespaceObjectRow) -> dict[str, Any]:
    """An object's JSON."""
    values = {name: getattr(row, name) for name in ("name", "description", "required", "properties")}
    return {
        **_known(values),
        **_times(row),
        "self": f"/v2/metadefs/namespaces/{namespace}/objects/{row.name}",
        "schema": "/v2/schemas/metadefs/object",
    }


def property_shown(row: NamespacePropertyRow) -> dict[str, Any]:
    """A property's JSON."""
    return {**row.schema, "name": row.name}


def tag_shown(row: NamespaceTagRow) -> dict[str, Any]:
    """A tag's JSON."""
    return {"name": row.name, **_times(row)}


def prefixed(shown: dict[str, Any], resource_type: str) -> dict[str, Any]:
    """A namespace as it applies to a type of resource: names of properties bear the type's prefix."""
    prefix = next(
        (one.get("prefix") for one in shown.get("resource_type_associations", ()) if one["name"] == resource_type), None
    )
    if not prefix:
        return shown
    if "properties" in shown:
        shown["properties"] = _renamed(shown["properties"], prefix)
    for one in shown.get("objects", ()):
        if "properties" in one:
            one["properties"] = _renamed(one["properties"], prefix)
        if one.get("required"):
            one["required"] = [prefix + name for name in one["required"]]
    return shown


def _renamed(properties: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {prefix + name: value for name, value in properties.items()}


def _answer(declared: Declared, *always: str) -> Document:
    return Document({**declared, "additionalProperties": False}, always=always)


_DATED = ("created_at", "updated_at")
SHOWN_NAMESPACE = _answer(NAMESPACE, "namespace", "visibility", "protected", "owner", *_DATED, "self", "schema")
SHOWN_OBJECT = _answer(OBJECT, "name", *_DATED, "self", "schema")
SHOWN_PROPERTY = _answer(PROPERTY, "name", "title", "type")
SHOWN_TAG = _answer(TAG, "name", *_DATED)
SHOWN_ASSOCIATION = _answer(ASSOCIATION, "name", *_DATED)
OBJECTS = Record("", {"objects": [SHOWN_OBJECT], "schema": str})
PROPERTIES = Record("", {"properties": {str: _answer(PROPERTY, "title", "type")}})
TAG_NAMES = Record("", {"tags": [{"name": str}]})
RESOURCE_TYPE = Record("ResourceType", {"name": str, "created_at": str, "updated_at": str})
OF_RESOURCE_TYPE = Query({"resource_type": str})
QUERY = Query({**SORTED_PAGE, "visibility": str, "resource_types": [str]})
SORTED = Query(SORTED_PAGE)
