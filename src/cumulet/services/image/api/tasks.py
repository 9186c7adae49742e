"""Tasks: for administrators, what the service does in the background. Imports make their own; one may be asked for."""

from __future__ import annotations

from typing import Any

from cumulet.http.bodies import Query, under
from cumulet.http.call import Call, Reply
from cumulet.http.collections import is_full, last
from cumulet.http.faults import BadRequest, Fault
from cumulet.services.image.api import access
from cumulet.services.image.model import images, task_imports
from cumulet.services.image.model import tasks as model
from cumulet.services.image.service import image as service
from cumulet.services.image.wire import pages
from cumulet.services.image.wire import tasks as wire


@service.get("/v2/tasks", policy="tasks_api_access", response=pages.listed("tasks", wire.STUB), query=wire.QUERY)
def index(call: Call) -> dict[str, Any]:
    """List tasks, newest first unless asked otherwise."""
    page = pages.simple(call.query)
    status, kind = last(call.query, "status"), last(call.query, "type")
    if status and status not in model.STATUSES:
        raise BadRequest(f"Invalid status value: {status}")
    if kind and kind not in model.TYPES:
        raise BadRequest(f"Invalid type value: {kind}")
    rows = model.listed(call.tx, page, status=status or None, kind=kind or None)
    full = is_full(rows, page.limit)
    return {
        "tasks": [wire.stub(row) for row in rows],
        "schema": "/v2/schemas/tasks",
        **pages.links("/v2/tasks", call.query, rows[-1].id if full else None),
    }


@service.get("/v2/tasks/{task_id}", policy="tasks_api_access", response=wire.SHOWN)
def show(call: Call, task_id: str) -> dict[str, Any]:
    """Show a task."""
    return wire.shown(model.get(call.tx, task_id))


@service.delete("/v2/tasks/{task_id}", policy="tasks_api_access", faults=(405,))
def delete(call: Call, task_id: str) -> None:
    """Delete a task: refused, a task goes by itself some time after its end."""
    raise Fault(
        "This operation is currently not permitted on Glance Tasks. They are auto deleted after reaching the time "
        "based on their expires_at property.",
        status=405,
        code="HTTPMethodNotAllowed",
        headers={"Allow": "GET"},
    )


@service.get(
    "/v2/images/{image_id}/tasks",
    target=access.IMAGE,
    policy="get_image",
    response=under("tasks", [wire.OF_IMAGE]),
    query=Query({}),
)
def of_image(call: Call, found: images.Image) -> dict[str, Any]:
    """List the tasks of an image."""
    return {"tasks": [wire.of_image(row) for row in model.of_image(call.tx, found.id)]}


@service.post(
    "/v2/tasks", status=201, grows=True, request=wire.CREATION, policy="tasks_api_access", response=wire.SHOWN
)
def create(call: Call) -> Reply:
    """Begin a task: only an import from a URL, which makes the image that it imports into."""
    kind, given = wire.given(call.body)
    if kind != model.IMPORT:
        raise BadRequest(f"Tasks of type {kind} are made by the service itself.")
    wanted = wire.imported(given)
    row = task_imports.start(call.tx, call.context, call.caller, wanted, given, call.request_id)
    return Reply(wire.shown(row), headers={"Location": f"{call.base_url}/v2/tasks/{row.id}"})
