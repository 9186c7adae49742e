"""Properties of a namespace: what a key may be worth, in the words of JSON Schema."""

from __future__ import annotations

from typing import Any

from cumulet.http.bodies import Query
from cumulet.http.call import Call
from cumulet.http.collections import last
from cumulet.http.faults import NotFound
from cumulet.services.image.api.access import NAMESPACE
from cumulet.services.image.api.metadef_namespaces import found
from cumulet.services.image.model import metadef_resource_types as types
from cumulet.services.image.model.metadef_contents import PROPERTIES, property_columns
from cumulet.services.image.service import image as service
from cumulet.services.image.tables import NamespaceRow
from cumulet.services.image.wire import metadefs as wire

_PATH = "/v2/metadefs/namespaces/{namespace}/properties"
_ONE = _PATH + "/{name}"


@service.get(_PATH, target=NAMESPACE, policy="get_metadef_properties", response=wire.PROPERTIES, query=Query({}))
def index(call: Call, space: NamespaceRow) -> dict[str, Any]:
    """List properties of a namespace, under their names."""
    return {"properties": {one.name: one.schema for one in PROPERTIES.all(call.tx, space)}}


@service.post(
    _PATH,
    status=201,
    request=wire.PROPERTY_BODY,
    target=NAMESPACE,
    policy="add_metadef_property",
    response=wire.SHOWN_PROPERTY,
)
def create(call: Call, space: NamespaceRow) -> dict[str, Any]:
    """Create a property."""
    body = call.body
    PROPERTIES.create(call.tx, space, property_columns(body["name"], body))
    return wire.property_shown(PROPERTIES.get(call.tx, space, body["name"]))


@service.get(
    _ONE, target=NAMESPACE, policy="get_metadef_property", response=wire.SHOWN_PROPERTY, query=wire.OF_RESOURCE_TYPE
)
def show(call: Call, space: NamespaceRow, name: str) -> dict[str, Any]:
    """Show a property; with `resource_type`, by the name that it has on that type."""
    resource_type = last(call.query, "resource_type")
    if resource_type:
        found(call, space.namespace, "get_metadef_resource_type")
        prefix = types.get(call.tx, space, resource_type).prefix
        if not prefix or not name.startswith(prefix):
            raise NotFound(
                f"Property {name} does not start with the expected resource type association prefix of '{prefix}'."
            )
        name = name.removeprefix(prefix)
    return wire.property_shown(PROPERTIES.get(call.tx, space, name))


@service.put(
    _ONE, request=wire.PROPERTY_BODY, target=NAMESPACE, policy="modify_metadef_property", response=wire.SHOWN_PROPERTY
)
def update(call: Call, space: NamespaceRow, name: str) -> dict[str, Any]:
    """Replace a property."""
    body = call.body
    columns = property_columns(body["name"], body)
    return wire.property_shown(PROPERTIES.update(call.tx, space, PROPERTIES.get(call.tx, space, name), columns))


@service.delete(_ONE, target=NAMESPACE, policy="remove_metadef_property")
def delete(call: Call, space: NamespaceRow, name: str) -> None:
    """Delete a property."""
    PROPERTIES.delete(call.tx, space, PROPERTIES.get(call.tx, space, name))
