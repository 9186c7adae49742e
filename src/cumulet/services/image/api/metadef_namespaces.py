"""Namespaces of metadata definitions: what properties resources may have, in groups that belong together."""

from __future__ import annotations

from typing import Any

from cumulet.http.call import Call, Reply
from cumulet.http.collections import last
from cumulet.http.faults import BadRequest
from cumulet.services.image.api import access
from cumulet.services.image.api.access import NAMESPACE
from cumulet.services.image.model import metadef_contents as contents
from cumulet.services.image.model import metadef_namespaces as model
from cumulet.services.image.model import metadef_resource_types as types
from cumulet.services.image.service import image as service
from cumulet.services.image.tables import NamespaceRow
from cumulet.services.image.wire import metadefs as wire
from cumulet.services.image.wire import pages

_PATH = "/v2/metadefs/namespaces"
_ONE = _PATH + "/{namespace}"


def found(call: Call, namespace: str, *rules: str) -> NamespaceRow:
    """The namespace, when the caller passes these rules on it. Raises 404 and 403."""
    row = model.get(call.tx, call.caller, namespace)
    for rule in rules:
        access.require(call, rule, model.target(row), see="get_metadef_namespace")
    return row


@service.get(
    _PATH, policy="get_metadef_namespaces", response=pages.listed("namespaces", wire.SHOWN_NAMESPACE), query=wire.QUERY
)
def index(call: Call) -> dict[str, Any]:
    """List namespaces that the caller sees, newest first unless asked otherwise."""
    call.require("list_metadef_resource_types", {"project_id": call.caller.project_id})
    visibility = last(call.query, "visibility")
    if visibility and visibility not in ("public", "private"):
        raise BadRequest(f"Invalid visibility value: {visibility}")
    named = [name for text in call.query.get("resource_types", ()) for name in text.split(",")]
    wanted = model.ListQuery(pages.simple(call.query), visibility or None, tuple(named))
    rows = model.listed(call.tx, call.caller, wanted)
    associated = model.associations(call.tx, [row.id for row in rows])
    full = rows and len(rows) == wanted.page.limit
    return {
        "namespaces": [_with_types(row, associated.get(row.id, ())) for row in rows],
        "schema": "/v2/schemas/metadefs/namespaces",
        **pages.links(_PATH, call.query, rows[-1].namespace if full else None),
    }


def _with_types(row: NamespaceRow, associated: Any) -> dict[str, Any]:
    shown = wire.namespace_shown(row)
    if associated:
        shown["resource_type_associations"] = [wire.association_shown(one) for one in associated]
    return shown


@service.post(
    _PATH, status=201, request=wire.NAMESPACE_CREATION, policy="add_metadef_namespace", response=wire.SHOWN_NAMESPACE
)
def create(call: Call) -> Reply:
    """Create a namespace with all that it holds."""
    body = wire.given("namespace", wire.NAMESPACE, call.body)
    for held, rule in _HELD.items():
        if body.get(held):
            call.require(rule, {"project_id": call.caller.project_id})
    row = model.create(call.tx, call.caller, body)
    types.associate(call.tx, row, *body.get("resource_type_associations", ()))
    contents.OBJECTS.create(call.tx, row, *map(contents.object_columns, body.get("objects", ())))
    properties = body.get("properties", {}).items()
    contents.PROPERTIES.create(call.tx, row, *[contents.property_columns(name, one) for name, one in properties])
    contents.TAGS.create(call.tx, row, *contents.tag_columns([one["name"] for one in body.get("tags", ())]))
    shown = {**wire.namespace_shown(row), **{held: body[held] for held in _HELD if body.get(held)}}
    return Reply(shown, headers={"Location": f"{call.base_url}{shown['self']}"})


_HELD = {
    "resource_type_associations": "add_metadef_resource_type_association",
    "objects": "add_metadef_object",
    "properties": "add_metadef_property",
    "tags": "add_metadef_tag",
}


@service.get(
    _ONE, policy_in_handler="get_metadef_namespace", response=wire.SHOWN_NAMESPACE, query=wire.OF_RESOURCE_TYPE
)
def show(call: Call, namespace: str) -> dict[str, Any]:
    """Show a namespace with all that it holds."""
    row = found(call, namespace, "get_metadef_namespace", *_READ)
    shown = _with_types(row, model.associations(call.tx, [row.id]).get(row.id, ()))
    objects = [wire.object_shown(namespace, one) for one in contents.OBJECTS.all(call.tx, row)]
    properties = {one.name: one.schema for one in contents.PROPERTIES.all(call.tx, row)}
    tags = [{"name": one.name} for one in contents.TAGS.all(call.tx, row)]
    held = {"objects": objects, "properties": properties, "tags": tags}
    shown.update({name: value for name, value in held.items() if value})
    resource_type = last(call.query, "resource_type")
    return wire.prefixed(shown, resource_type) if resource_type else shown


_READ = ("list_metadef_resource_types", "get_metadef_objects", "get_metadef_properties", "get_metadef_tags")


@service.put(
    _ONE,
    request=wire.NAMESPACE_UPDATE,
    target=NAMESPACE,
    policy="modify_metadef_namespace",
    response=wire.SHOWN_NAMESPACE,
)
def update(call: Call, space: NamespaceRow) -> dict[str, Any]:
    """Replace a namespace's attributes; what it holds stays."""
    body = call.body
    return wire.namespace_shown(model.update(call.tx, call.caller, space, body))


@service.delete(_ONE, target=NAMESPACE, policy="delete_metadef_namespace")
def delete(call: Call, space: NamespaceRow) -> None:
    """Delete a namespace with all that it holds."""
    model.delete(call.tx, space)


@service.delete(_ONE + "/objects", target=NAMESPACE, policy="delete_metadef_namespace")
def delete_objects(call: Call, space: NamespaceRow) -> None:
    """Delete all objects of a namespace."""
    _delete_all(call, contents.OBJECTS, space)


@service.delete(_ONE + "/properties", target=NAMESPACE, policy="delete_metadef_namespace")
def delete_properties(call: Call, space: NamespaceRow) -> None:
    """Delete all properties of a namespace."""
    _delete_all(call, contents.PROPERTIES, space)


@service.delete(_ONE + "/tags", policy_in_handler="delete_metadef_tags")
def delete_tags(call: Call, namespace: str) -> None:
    """Delete all tags of a namespace."""
    _delete_all(call, contents.TAGS, found(call, namespace, "delete_metadef_namespace", "delete_metadef_tags"))


def _delete_all(call: Call, kind: contents.Kind[Any], row: NamespaceRow) -> None:
    model.refuse_protected(row)
    kind.delete_all(call.tx, row)
