"""Objects of a namespace: groups of properties that are set together."""

from __future__ import annotations

from typing import Any

from cumulet.http.call import Call
from cumulet.services.image.api.access import NAMESPACE
from cumulet.services.image.model.metadef_contents import OBJECTS, object_columns
from cumulet.services.image.service import image as service
from cumulet.services.image.tables import NamespaceRow
from cumulet.services.image.wire import metadefs as wire
from cumulet.services.image.wire import pages

_PATH = "/v2/metadefs/namespaces/{namespace}/objects"
_ONE = _PATH + "/{name}"


@service.get(_PATH, target=NAMESPACE, policy="get_metadef_objects", response=wire.OBJECTS, query=wire.SORTED)
def index(call: Call, space: NamespaceRow) -> dict[str, Any]:
    """List objects of a namespace."""
    listed = OBJECTS.listed(call.tx, space, pages.simple(call.query, pages.WHOLE))
    return {
        "objects": [wire.object_shown(space.namespace, one) for one in listed],
        "schema": "v2/schemas/metadefs/objects",
    }


@service.post(
    _PATH,
    status=201,
    request=wire.OBJECT_BODY,
    target=NAMESPACE,
    policy="add_metadef_object",
    response=wire.SHOWN_OBJECT,
)
def create(call: Call, space: NamespaceRow) -> dict[str, Any]:
    """Create an object."""
    body = call.body
    OBJECTS.create(call.tx, space, object_columns(body))
    return wire.object_shown(space.namespace, OBJECTS.get(call.tx, space, body["name"]))


@service.get(_ONE, target=NAMESPACE, policy="get_metadef_object", response=wire.SHOWN_OBJECT)
def show(call: Call, space: NamespaceRow, name: str) -> dict[str, Any]:
    """Show an object."""
    return wire.object_shown(space.namespace, OBJECTS.get(call.tx, space, name))


@service.put(
    _ONE, request=wire.OBJECT_BODY, target=NAMESPACE, policy="modify_metadef_object", response=wire.SHOWN_OBJECT
)
def update(call: Call, space: NamespaceRow, name: str) -> dict[str, Any]:
    """Replace an object."""
    body = call.body
    changed = OBJECTS.update(call.tx, space, OBJECTS.get(call.tx, space, name), object_columns(body))
    return wire.object_shown(space.namespace, changed)


@service.delete(_ONE, target=NAMESPACE, policy="delete_metadef_object")
def delete(call: Call, space: NamespaceRow, name: str) -> None:
    """Delete an object."""
    OBJECTS.delete(call.tx, space, OBJECTS.get(call.tx, space, name))
