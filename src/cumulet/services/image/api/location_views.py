"""Locations of images as callers see and change them.

A copy in a store of ours is shown under an address that says nothing about the host. The only addresses that a caller
may add are those of a store that reads web servers, which knows where nobody may be sent; never a file, never another
scheme. Such an address is asked for its size before the transaction begins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cumulet.db import Transaction
from cumulet.http.call import Call
from cumulet.http.faults import BadRequest
from cumulet.services.image.api import access
from cumulet.services.image.model import images as model
from cumulet.services.image.model import locations
from cumulet.services.image.model.location_changes import Location, Locations
from cumulet.services.image.model.stores import ImageStore, StoreFault
from cumulet.services.image.states import QUEUED
from cumulet.services.image.tables import LocationRow
from cumulet.services.image.wire.patches import Change

Sizes = Mapping[str, int | None]
"""Address → bytes there, where the other side says so."""


def visible(call: Call, tx: Transaction, found: Sequence[model.Image]) -> dict[str, list[dict[str, Any]]]:
    """Locations of these images that the caller may see, by image. One query, none when there are no locations."""
    seen = [
        one.id
        for one in found
        if one.row.stores is not None and call.allows("get_image_location", one.target(call.caller))
    ]
    rows = locations.of_many(tx, seen)
    return {image_id: [_place(call, row).shown() for row in of_image] for image_id, of_image in rows.items()}


def _place(call: Call, row: LocationRow) -> Location:
    store = call.context.stores.find(row.store)
    far = store is not None and store.read_only
    url = row.url if far else f"cumulet://{row.store}/{row.image_id}"
    return Location(url, {**row.detail, "store": row.store}, row.id)


def shown(call: Call, row: LocationRow) -> dict[str, Any]:
    """A location's JSON."""
    return _place(call, row).shown()


def readable_store(call: Call, url: str) -> ImageStore:
    """The store that may read an address which a caller gave. Raises 400."""
    store: ImageStore | None = call.context.stores.owner_of(url)
    if store is None or not store.read_only:
        raise BadRequest("Invalid location")
    return store


def sizes(call: Call, image_id: str, changes: Sequence[Change]) -> Sizes:
    """Ask the addresses that a patch adds how many bytes there are. Whoever may not add them is refused before
    anybody is asked. Raises 400, 403 and 404."""
    given = [one for change in changes if change.name == "locations" for one in _listed(change)]
    if not given:
        return {}
    with call.reading() as tx:
        found = model.get(tx, call.caller, image_id)
        access.require(call, "set_image_location", found.target(call.caller))
        known = {_place(call, row).url for row in locations.of(tx, found.id)}
    return {one["url"]: _size(call, one["url"]) for one in given if one["url"] not in known}


def _listed(change: Change) -> list[dict[str, Any]]:
    if change.op == "remove":
        return []
    return list(change.value) if change.op == "replace" else [change.value]


def _size(call: Call, url: str) -> int | None:
    store = readable_store(call, url)
    try:
        reading = store.open(url)
    except (StoreFault, OSError):
        raise BadRequest("Invalid location") from None
    reading.close()
    if reading.size == 0:
        raise BadRequest("Invalid location")
    return reading.size


def apply(
    call: Call, tx: Transaction, found: model.Image, changes: Sequence[Change], known: Sizes
) -> Mapping[str, Any]:
    """Apply a patch's changes of locations; the columns of the image that follow from them."""
    ours = [change for change in changes if change.name == "locations"]
    if not ours:
        return {}
    if found.row.status == QUEUED:
        locations.disown(tx, found.row)
    rows = locations.of(tx, found.id)
    state = Locations(found.row, [_stripped(_place(call, row)) for row in rows])
    for change in ours:
        if change.op == "add":
            state.add(change.value, str(change.place))
        elif change.op == "replace":
            state.replace(change.value)
        else:
            state.remove(str(change.place))
    new = [place for place in state.locations if place.id is None]
    for place in new:
        if place.url not in known:
            raise BadRequest("Invalid location")
    stores = {place.url: readable_store(call, place.url).id for place in new}
    locations.rearrange(tx, call.context.stores, found.id, state.locations, stores)
    size = next((known[place.url] for place in new if known[place.url] is not None), None)
    return {**state.facts, **({"size": size} if found.row.size is None and size is not None else {})}


def _stripped(place: Location) -> Location:
    return Location(place.url, {name: value for name, value in place.metadata.items() if name != "store"}, place.id)
