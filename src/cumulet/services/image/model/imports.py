"""Imports: what a client may ask for, and the record that an import keeps while it runs.

An import is a job (one per image) and a task (what the owner sees of it). While it runs the image's row bears the
task's id: nobody else imports into it, and whoever finds another id there has lost and changes nothing. What is done is
not counted but seen: bytes that were fetched have their name in the staging folder, bytes that were stored have a
location. So a process may die anywhere, and the next one goes on from there.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from sqlalchemy import select

from cumulet.auth import Caller
from cumulet.db import Transaction, select_as
from cumulet.engine import timeline
from cumulet.http.faults import BadRequest, Conflict
from cumulet.services.image.model import images as model
from cumulet.services.image.model import locations, quota, tasks
from cumulet.services.image.model.fetching import Refused, judge
from cumulet.services.image.model.stores import UnknownStore
from cumulet.services.image.states import ACTIVE, IMPORTING, QUEUED, UPLOADING
from cumulet.services.image.tables import ImageRow, images
from cumulet.services.image.tables import locations as placed

if TYPE_CHECKING:
    from cumulet.services.image.context import ImageContext

KIND = "image_import"
DIRECT, WEB, COPY, REMOTE = "glance-direct", "web-download", "copy-image", "glance-download"
LOCATION, TASK = "location", "task"
"""Not for clients to ask for by these names: a location that is added by a call of its own, and a task of the oldest
kind, which makes the image that it imports into."""
METHODS = (DIRECT, WEB, COPY, REMOTE)
LONGEST_S = 24 * 3600.0
TAKEN = ("disk_format", "container_format", "properties")
"""What an image takes over from another region's, and gets back when the import fails."""


class Asked(Struct, frozen=True):
    """An import as a client asks for it. `stores` None: every store that takes bytes. `token` is the client's, sealed,
    for another region."""

    method: Mapping[str, Any]
    stores: tuple[str, ...] | None
    must_all_succeed: bool
    token: str = ""

    @property
    def name(self) -> str:
        """The method."""
        return str(self.method["name"])


def parse(body: Mapping[str, Any], header_store: str | None, context: ImageContext) -> Asked:
    """The request's meaning. Raises 400, and 409 for a store that is not there."""
    method = _method(body)
    flags = {
        name: body.get(name, standard) for name, standard in (("all_stores_must_succeed", True), ("all_stores", False))
    }
    for name, value in flags.items():
        if not isinstance(value, bool):
            raise BadRequest(f"'{name}' must be boolean value only")
    stores: tuple[str, ...] | None = None
    if flags["all_stores"]:
        if "stores" in body or header_store is not None:
            raise BadRequest("All_stores parameter can't be used with x-image-meta-store header or stores parameter")
    else:
        stores = _stores(body, header_store, context)
    return Asked(method, stores, flags["all_stores_must_succeed"])


def _method(body: Mapping[str, Any]) -> Mapping[str, Any]:
    method = body.get("method")
    if method is None:
        raise BadRequest("Import request requires a 'method' field.")
    if not isinstance(method, dict) or "name" not in method:
        raise BadRequest("Import request requires a 'name' field.")
    name = method["name"]
    if name not in METHODS:
        raise BadRequest(f"Unknown import method name '{name}'.")
    if name == REMOTE:
        for field in ("glance_region", "glance_image_id"):
            if not isinstance(method.get(field), str):
                raise BadRequest(f"'{field}' needs to be set for glance-download import method")
        try:
            uuid.UUID(method["glance_image_id"])
        except ValueError:
            raise BadRequest(f"Remote image id does not look like a UUID: {method['glance_image_id']}") from None
        if not isinstance(method.get("glance_service_interface") or "public", str):
            raise BadRequest("'glance_service_interface' must be the name of an interface")
    return method


def _stores(body: Mapping[str, Any], header_store: str | None, context: ImageContext) -> tuple[str, ...]:
    names = body.get("stores")
    if names is None:
        names = [header_store if header_store is not None else context.stores.default.id]
    elif header_store is not None:
        raise BadRequest("Stores parameter and x-image-meta-store header can't be both specified")
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise BadRequest("'stores' must be a list of names of stores")
    for name in names:
        try:
            store = context.stores.get(name)
        except UnknownStore as unknown:
            raise Conflict(str(unknown)) from None
        if store.read_only:
            raise BadRequest(f"Store '{name}' is read-only.")
    return tuple(dict.fromkeys(names))


def require_possible(image: ImageRow, asked: Asked, context: ImageContext) -> None:
    """Raise 409 unless the image is in a state for the method, 400 for a URL that may not be fetched."""
    name, status = asked.name, image.status
    if status == ACTIVE and name != COPY:
        raise Conflict("Image with status active cannot be target for import")
    if status != ACTIVE and name == COPY:
        raise Conflict("Only images with status active can be targeted for copying")
    if status != QUEUED and name in (WEB, REMOTE):
        raise Conflict(f"Image needs to be in 'queued' state to use '{name}' method")
    if name == DIRECT and (status != UPLOADING or image.upload_id is not None):
        raise Conflict("Image needs to be staged before 'glance-direct' method can be used")
    for field in ("container_format", "disk_format"):
        if getattr(image, field) is None and name != REMOTE:
            raise Conflict(f"'{field}' needs to be set before import")
    if name == WEB:
        uri = asked.method.get("uri")
        try:
            if not isinstance(uri, str):
                raise Refused("there is none")
            judge(uri, context.rules)
        except Refused:
            raise BadRequest(f"URI for web-download does not pass filtering: {uri}") from None


def targets(tx: Transaction, image: ImageRow, asked: Asked, context: ImageContext) -> list[str]:
    """The stores to import to; none when a copy has nothing to do. Raises 400 when a copy is there already."""
    names = list(asked.stores) if asked.stores is not None else [store.id for store in context.stores.writable()]
    if asked.name != COPY:
        return names
    there = {row.store for row in locations.of(tx, image.id)}
    if asked.stores is None:
        return [name for name in names if name not in there]
    for name in names:
        if name in there:
            raise BadRequest(f"Image is already present at store '{name}'")
    return names


def start(
    tx: Transaction, context: ImageContext, caller: Caller, image: model.Image, asked: Asked, request_id: str
) -> None:
    """Begin the import, unless there is nothing to do: the image is `importing` (a copy stays active), and its job does
    the rest. Raises 409 while another import runs, and 413."""
    stores = targets(tx, image.row, asked, context)
    if not stores:
        return
    # staged bytes make an image count as one that is being uploaded already
    quota.require(tx, context, image.row.owner, **{quota.SIZE: 0, quota.UPLOADS: 0 if asked.name == DIRECT else 1})
    request = {"method": dict(asked.method), "all_stores_must_succeed": asked.must_all_succeed}
    given = {"image_id": image.id, "import_req": request, "backend": stores}
    task = tasks.create(tx, caller, tasks.IMAGE_IMPORT, given, image_id=image.id, request_id=request_id)
    launch(tx, context, image, str(task.id), asked, stores)
    timeline.record(tx, image.id, "import", f"An import by {asked.name} was asked for.", {"stores": list(stores)})


def launch(
    tx: Transaction, context: ImageContext, image: model.Image, task_id: str, asked: Asked, stores: list[str]
) -> None:
    """Begin the job of a task: the image is the task's from here on. Raises 409 while it is another one's."""
    free = (images.c.id == image.id) & images.c.import_task.is_(None) & (images.c.status == image.row.status)
    status = ACTIVE if asked.name == COPY else IMPORTING
    marks: dict[str, Any] = {"import_task": task_id}
    if asked.name != LOCATION:
        marks |= {"importing_to_stores": ",".join(stores), "failed_import": ""}
    if not tx.update(images, free & images.c.deleted_at.is_(None), status=status, **marks, updated_at=tx.now):
        raise Conflict(f"New operation on image '{image.id}' is not permitted as prior operation is still in progress")
    if image.row.status == QUEUED:
        locations.disown(tx, image.row)
    state = {
        "task": task_id,
        "method": dict(asked.method),
        "stores": stores,
        "must": asked.must_all_succeed,
        "before": {name: getattr(image.row, name) for name in TAKEN},
    }
    if asked.token:
        state["token"] = asked.token
    context.workers.jobs.put(tx, KIND, image.id, state, within_s=LONGEST_S)


def current(tx: Transaction, image_id: str, task_id: str) -> ImageRow | None:
    """The image while this import holds it, else None."""
    query = select_as(ImageRow).where(
        images.c.id == image_id, images.c.import_task == task_id, images.c.deleted_at.is_(None)
    )
    return tx.row(query)


def succeed(tx: Transaction, context: ImageContext, image: ImageRow, task_id: str) -> None:
    """The import is over, and the image is active."""
    _release(tx, context, image.id, {} if image.importing_to_stores is None else {"importing_to_stores": ""})
    tasks.succeed(tx, task_id, {"image_id": image.id})
    timeline.record(tx, image.id, "imported", "The import is done.")


def fail(tx: Transaction, context: ImageContext, image_id: str, state: Mapping[str, Any], why: str) -> None:
    """The import is over without success: nothing of it stays, the image is queued again (or as active as before a
    copy), and the task says why."""
    task_id, stores = state["task"], list(state["stores"])
    tasks.begin(tx, task_id)
    tasks.fail(tx, task_id, why)
    image = current(tx, image_id, task_id)
    if image is None:
        return
    timeline.record(tx, image_id, "import_failed", f"The import failed: {why}")
    made = [row for row in locations.of(tx, image_id) if row.store in stores]
    locations.remove(tx, context.stores, made)
    for name in stores:  # a file that had its name already, and no location yet
        store = context.stores.find(name)
        if store is not None and store.kind == "file":
            locations.forget(tx, store, image_id)
    values: dict[str, Any] = {}
    if state["method"]["name"] != LOCATION:
        values = {"importing_to_stores": "", "failed_import": ",".join(stores)}
    if image.status == IMPORTING:
        emptied = ("size", "virtual_size", "checksum", "os_hash_algo", "os_hash_value")
        values |= {"status": QUEUED, **dict.fromkeys(emptied)}
        if state["method"]["name"] == REMOTE:
            values |= state["before"]
    _release(tx, context, image_id, values)
    if state["method"]["name"] == TASK:  # it made the image, which nobody ever had
        model.destroy(tx, model.Image(image), context)


def _release(tx: Transaction, context: ImageContext, image_id: str, values: Mapping[str, Any]) -> None:
    tx.update(images, images.c.id == image_id, import_task=None, **values, updated_at=tx.now)
    locations.forget(tx, context.staging, image_id)


def store_failed(tx: Transaction, image: ImageRow, name: str) -> None:
    """One store did not take the bytes; the others go on."""
    failed = [*filter(None, (image.failed_import or "").split(",")), name]
    tx.update(
        images, images.c.id == image.id, failed_import=",".join(failed), importing_to_stores=_without(image, name)
    )


def store_done(tx: Transaction, image: ImageRow, name: str, values: Mapping[str, Any]) -> None:
    """One store has the bytes. `values` are columns of the image that follow."""
    names = [
        row.store for row in tx.rows(select(placed.c.store).where(placed.c.image_id == image.id).order_by(placed.c.id))
    ]
    known = ",".join(dict.fromkeys(filter(None, names)))
    left = _without(image, name)
    tx.update(images, images.c.id == image.id, stores=known, importing_to_stores=left, **values, updated_at=tx.now)


def _without(image: ImageRow, name: str) -> str:
    return ",".join(other for other in (image.importing_to_stores or "").split(",") if other != name)
