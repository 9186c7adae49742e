"""Imports as tasks of the oldest kind: an administrator asks for a task, and the task makes the image.

When it fails, the image goes again: nobody ever had it.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from cumulet.auth import Caller
from cumulet.db import Transaction, select_as
from cumulet.http.faults import BadRequest
from cumulet.services.image.model import images as model
from cumulet.services.image.model import imports, quota, tasks
from cumulet.services.image.model.fetching import Refused, judge
from cumulet.services.image.tables import TaskRow
from cumulet.services.image.tables import tasks as table

if TYPE_CHECKING:
    from cumulet.services.image.context import ImageContext


class ImportRequest(Struct, frozen=True):
    """What is to be imported: a URL, and the columns, properties and tags of the image."""

    uri: str
    columns: Mapping[str, Any]
    properties: Mapping[str, str]
    tags: list[str]
    id: str | None


def start(
    tx: Transaction,
    context: ImageContext,
    caller: Caller,
    wanted: ImportRequest,
    given: Mapping[str, Any],
    request_id: str,
) -> TaskRow:
    """The task, with its flow begun. Raises 400 for a URL that may not be fetched, 409 and 413."""
    try:
        judge(wanted.uri, context.rules)
    except Refused:
        raise BadRequest(f"URI for legacy import task does not pass filtering: {wanted.uri}") from None
    quota.require(tx, context, caller.project_id, **{quota.COUNT: 1, quota.SIZE: 0, quota.UPLOADS: 1})
    columns = {"owner": caller.project_id, "visibility": "shared", **wanted.columns, "properties": wanted.properties}
    image = model.create(tx, wanted.id or str(uuid.uuid4()), columns, wanted.tags)
    task = tasks.create(tx, caller, tasks.IMPORT, given, image_id=image.id, request_id=request_id)
    method = {"name": imports.TASK, "uri": wanted.uri}
    asked = imports.Asked(method, None, True)
    imports.launch(tx, context, image, str(task.id), asked, [context.stores.default.id])
    shown = tx.row(select_as(TaskRow).where(table.c.id == task.id))
    assert shown is not None
    return shown
