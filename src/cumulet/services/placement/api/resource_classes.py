"""Resource classes."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from cumulet.http import Wire
from cumulet.http.bodies import EMPTY, Query, under
from cumulet.http.call import Call, Reply
from cumulet.http.faults import Conflict
from cumulet.http.shapes import parse
from cumulet.services.placement.model import classes
from cumulet.services.placement.service import placement as service
from cumulet.services.placement.wire.freshness import dated
from cumulet.services.placement.wire.resource_classes import RESOURCE_CLASS

_RULE = "placement:resource_classes"


class CustomClass(Wire):
    """A custom class's name."""

    name: Annotated[str, Meta(pattern=r"^CUSTOM_[A-Z0-9_]+\Z", max_length=255)]


def _shown(name: str) -> dict[str, Any]:
    return {"name": name, "links": [{"rel": "self", "href": f"/resource_classes/{name}"}]}


@service.get(
    "/resource_classes",
    since=(1, 2),
    policy=f"{_RULE}:list",
    response=under("resource_classes", [RESOURCE_CLASS]),
    query=Query({}),
)
def index(call: Call) -> Reply:
    """List resource classes."""
    return dated(call, {"resource_classes": [_shown(name) for name in classes.names(call.tx)]})


@service.post(
    "/resource_classes", status=201, since=(1, 2), request=CustomClass, policy=f"{_RULE}:create", response=EMPTY
)
def create(call: Call) -> Reply:
    """Create a custom class."""
    name = call.body.name
    if not classes.create(call.tx, name):
        raise Conflict(f"Conflicting resource class already exists: {name}")
    return Reply(headers={"Location": f"{call.base_url}/resource_classes/{name}"})


@service.get("/resource_classes/{name}", since=(1, 2), policy=f"{_RULE}:show", response=RESOURCE_CLASS)
def show(call: Call, name: str) -> Reply:
    """Show a resource class."""
    classes.require(call.tx, name)
    return dated(call, _shown(name))


@service.put(
    "/resource_classes/{name}",
    since=(1, 2),
    until=(1, 6),
    request=CustomClass,
    policy=f"{_RULE}:update",
    response=RESOURCE_CLASS,
)
def rename(call: Call, name: str) -> dict[str, Any]:
    """Give a custom class another name."""
    classes.rename(call.tx, name, call.body.name)
    return _shown(call.body.name)


@service.put("/resource_classes/{name}", since=(1, 7), policy=f"{_RULE}:update", response=EMPTY)
def ensure(call: Call, name: str) -> Reply:
    """Make sure that a custom class is there."""
    parse(CustomClass, {"name": name}, call.version)
    made = classes.create(call.tx, name)
    return Reply(status=201 if made else 204, headers={"Location": f"{call.base_url}/resource_classes/{name}"})


@service.delete("/resource_classes/{name}", since=(1, 2), policy=f"{_RULE}:delete")
def delete(call: Call, name: str) -> None:
    """Delete a custom class that nobody has."""
    classes.delete(call.tx, name)
