"""Types of resources that namespaces are for."""

from __future__ import annotations

from typing import Any

from cumulet.db import iso
from cumulet.http.bodies import Query, under
from cumulet.http.call import Call
from cumulet.services.image.api.access import NAMESPACE
from cumulet.services.image.model import metadef_namespaces as namespaces
from cumulet.services.image.model import metadef_resource_types as model
from cumulet.services.image.service import image as service
from cumulet.services.image.tables import NamespaceRow
from cumulet.services.image.wire import metadefs as wire

_PATH = "/v2/metadefs/namespaces/{namespace}/resource_types"


@service.get(
    "/v2/metadefs/resource_types",
    policy="list_metadef_resource_types",
    response=under("resource_types", [wire.RESOURCE_TYPE]),
    query=Query({}),
)
def index(call: Call) -> dict[str, Any]:
    """List all types of resources that are known."""
    rows = model.listed(call.tx)
    return {
        "resource_types": [
            {"name": row.name, "created_at": iso(row.created_at), "updated_at": iso(row.updated_at)} for row in rows
        ]
    }


@service.get(
    _PATH,
    target=NAMESPACE,
    policy="list_metadef_resource_types",
    response=under("resource_type_associations", [wire.SHOWN_ASSOCIATION]),
    query=Query({}),
)
def show(call: Call, space: NamespaceRow) -> dict[str, Any]:
    """List the types of resources that a namespace is for."""
    shown: list[dict[str, Any]] = []
    if call.allows("get_metadef_resource_type", namespaces.target(space)):
        associated = namespaces.associations(call.tx, [space.id]).get(space.id, [])
        shown = [wire.association_shown(one) for one in associated]
    return {"resource_type_associations": shown}


@service.post(
    _PATH,
    status=201,
    request=wire.ASSOCIATION_BODY,
    target=NAMESPACE,
    policy="add_metadef_resource_type_association",
    response=wire.SHOWN_ASSOCIATION,
)
def create(call: Call, space: NamespaceRow) -> dict[str, Any]:
    """Say that a namespace is for a type of resource."""
    body = call.body
    model.associate(call.tx, space, body)
    return wire.association_shown(model.get(call.tx, space, body["name"]))


@service.delete(_PATH + "/{name}", target=NAMESPACE, policy="remove_metadef_resource_type_association")
def delete(call: Call, space: NamespaceRow, name: str) -> None:
    """Say that a namespace is for a type of resource no more."""
    model.dissociate(call.tx, space, name)
