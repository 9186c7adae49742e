"""Tasks on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cumulet.db import iso
from cumulet.http.bodies import Query
from cumulet.http.faults import BadRequest
from cumulet.services.image.model.task_imports import ImportRequest
from cumulet.services.image.model.tasks import STATUSES, TYPES
from cumulet.services.image.tables import TaskRow
from cumulet.services.image.wire import images
from cumulet.services.image.wire.pages import SORTED_PAGE
from cumulet.services.image.wire.schema import UUID, Declared, Document, require, text

_BLOB = {"type": ["null", "object"]}
_DETAIL = ("input", "result", "message")

SCHEMA: Declared = {
    "properties": {
        "id": text("The task's id", pattern=UUID),
        "type": text("What the task does", enum=list(TYPES)),
        "status": text("How far the task is", enum=list(STATUSES)),
        "input": {"description": "What the task was given", **_BLOB},
        "result": {"description": "What the task found or made", **_BLOB},
        "owner": text("The project that the task belongs to"),
        "message": text("What went wrong, in words"),
        "image_id": text("The image that the task works on"),
        "request_id": text("The request that began the task"),
        "user_id": text("The user who began the task"),
        "expires_at": text("When the task may be forgotten", null=True),
        "created_at": text("When the task was created"),
        "updated_at": text("When the task changed last"),
        "self": {"readOnly": True, "type": "string"},
        "schema": {"readOnly": True, "type": "string"},
    }
}
STUB_SCHEMA: Declared = {"properties": {k: v for k, v in SCHEMA["properties"].items() if k not in _DETAIL}}


def given(body: Any) -> tuple[str, dict[str, Any]]:
    """A create request's (type, input). Raises 400."""
    for name in ("type", "input"):
        if name not in body:
            raise BadRequest(f"Task '{name}' is required")
    require("task", {**SCHEMA, "additionalProperties": False}, body)
    return body["type"], dict(body["input"] or {})


def imported(given: Mapping[str, Any]) -> ImportRequest:
    """What the input of an import asks for. Raises 400 and 403."""
    for name in ("import_from", "import_from_format", "image_properties"):
        if name not in given:
            raise BadRequest(f"Input does not contain '{name}' field")
    uri, properties = given["import_from"], given["image_properties"]
    if not isinstance(uri, str) or not uri:
        raise BadRequest(f"Invalid location: {uri}")
    if uri.startswith(("file:///", "filesystem:///")):
        raise BadRequest("File based imports are not allowed. Please use a non-local source of image data.")
    if not isinstance(properties, dict):
        raise BadRequest("Input does not contain 'image_properties' field")
    draft = images.created(properties or {"disk_format": "qcow2", "container_format": "bare"})
    for name in ("disk_format", "container_format"):
        if draft.columns.get(name) is None:
            raise BadRequest(f"'{name}' needs to be set before import")
    return ImportRequest(uri, draft.columns, draft.properties, draft.tags, draft.id)


def stub(row: TaskRow) -> dict[str, Any]:
    """A task's JSON in a list."""
    expires = {"expires_at": iso(row.expires_at)} if row.expires_at is not None else {}
    return {
        "id": row.id,
        "type": row.type,
        "status": row.status,
        "owner": row.owner,
        "created_at": iso(row.created_at),
        "updated_at": iso(row.updated_at),
        "self": f"/v2/tasks/{row.id}",
        "schema": "/v2/schemas/task",
        **expires,
    }


def shown(row: TaskRow) -> dict[str, Any]:
    """A task's JSON."""
    known = {name: getattr(row, name) for name in ("image_id", "request_id", "user_id")}
    return {
        **stub(row),
        "input": row.input,
        "result": row.result,
        "message": row.message,
        **{name: value for name, value in known.items() if value},
    }


def of_image(row: TaskRow) -> dict[str, Any]:
    """A task's JSON in the list of an image's tasks, which holds the whole record."""
    return {
        "id": row.id,
        "image_id": row.image_id,
        "type": row.type,
        "status": row.status,
        "owner": row.owner,
        "user_id": row.user_id,
        "request_id": row.request_id,
        "input": row.input,
        "result": row.result,
        "message": row.message,
        "expires_at": None if row.expires_at is None else iso(row.expires_at),
        "created_at": iso(row.created_at),
        "updated_at": iso(row.updated_at),
        "deleted": False,
        "deleted_at": None,
    }


_ALWAYS = ("id", "type", "status", "owner", "created_at", "updated_at", "self", "schema")
STUB = Document({**STUB_SCHEMA, "additionalProperties": False}, always=_ALWAYS)
SHOWN = Document({**SCHEMA, "additionalProperties": False}, always=(*_ALWAYS, *_DETAIL))
_WHOLE = {name: schema for name, schema in SCHEMA["properties"].items() if name not in ("self", "schema")}
_WHOLE |= {"deleted": {"type": "boolean"}, "deleted_at": text(null=True)}
OF_IMAGE = Document({"properties": _WHOLE, "additionalProperties": False}, always=_WHOLE)
CREATION = Document({**SCHEMA, "additionalProperties": False})
QUERY = Query({**SORTED_PAGE, "status": str, "type": str})
