"""Locations that are added by a call of their own: what may be added, and the task that hashes the bytes there.

The bytes stay where they are, so whoever adds a location may say what they hash to; the image becomes active when they
do. Only addresses of a store that reads web servers can be added, by whomever: a file of this host never, and no other
scheme, as no store of ours would know what is behind it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cumulet.auth import Caller
from cumulet.db import Transaction
from cumulet.http.faults import BadRequest, Conflict, NotAllowed
from cumulet.services.image.model import images as model
from cumulet.services.image.model import imports, tasks
from cumulet.services.image.model.fetching import Refused, judge
from cumulet.services.image.model.location_changes import HASH, digest_problem
from cumulet.services.image.model.stores import ImageStore
from cumulet.services.image.states import QUEUED

if TYPE_CHECKING:
    from cumulet.services.image.context import ImageContext


def require_possible(image: model.Image, url: str, validation: Mapping[str, str], context: ImageContext) -> ImageStore:
    """The store that reads the address. Raises 400 and 403."""
    readers = [store for store in context.stores if store.kind == "http"]
    if not readers or not url.startswith(("http://", "https://")):
        raise NotAllowed("http store must be enabled to use location API by normal user.", code="HTTPForbidden")
    if "os_hash_value" in validation:
        problem = digest_problem("os_hash_value", validation["os_hash_value"], validation.get("os_hash_algo", HASH))
        if problem is not None:
            raise BadRequest(problem)
    try:
        judge(url, context.rules)
    except Refused:
        raise BadRequest(f"URI for add location does not pass filtering: {url}") from None
    missing = [name for name in ("disk_format", "container_format") if getattr(image.row, name) is None]
    if missing:
        raise BadRequest(f"Properties {', '.join(missing)} must be set prior to saving data.")
    return readers[0]


def require_queued(image: model.Image) -> None:
    """Raise 409 unless the image waits for its bytes."""
    if image.row.status != QUEUED:
        raise Conflict(f"It's not allowed to add locations if image status is {image.row.status}.")


def start(
    tx: Transaction,
    context: ImageContext,
    caller: Caller,
    image: model.Image,
    *,
    url: str,
    validation: Mapping[str, str],
    store: ImageStore,
    request_id: str,
) -> None:
    """Begin: the image is `importing` until its bytes were hashed."""
    given = {"image_id": image.id, "loc_url": url, "validation_data": dict(validation)}
    task = tasks.create(tx, caller, tasks.LOCATION_IMPORT, given, image_id=image.id, request_id=request_id)
    method: dict[str, Any] = {
        "name": imports.LOCATION,
        "uri": url,
        "store": store.id,
        "algorithm": validation.get("os_hash_algo", HASH),
        "expected": validation.get("os_hash_value"),
    }
    imports.launch(tx, context, image, str(task.id), imports.Asked(method, (), True), [])
