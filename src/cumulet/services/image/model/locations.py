"""Where an image's bytes are: in stores of ours, or at addresses elsewhere. Only rows: nothing here fetches.

Clients see the list in their own order and may add addresses to it. Readers do not care for that order: `readable`
gives what our own stores hold first and then the oldest address, so that a location which somebody adds in front
never changes what an image is (OSSA-2016-006).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Row, select

from cumulet.services.image.tables import images
from cumulet.store import Transaction

Location = dict[str, Any]
"""``{"url": str, "metadata": dict, "store": str | None, "added": int}``"""


def of(row: Row[Any]) -> list[Location]:
    """The image's locations in the order that clients see."""
    return list(row.locations or ())


def stores(row: Row[Any]) -> list[str]:
    """Ids of our stores that hold the image."""
    return [location["store"] for location in of(row) if location["store"] is not None]


def readable(row: Row[Any]) -> list[Location]:
    """The locations in the order in which a reader tries them."""
    return sorted(of(row), key=lambda location: (location["store"] is None, location["added"]))


def stored_url(store: str, image_id: str) -> str:
    """How a copy in one of our stores is shown: an address that says nothing about the host."""
    return f"cumulet://{store}/{image_id}"


def made(url: str, details: dict[str, Any], *, store: str | None, among: Iterable[Location]) -> Location:
    """A new location of an image that has `among`."""
    newest = max((location["added"] for location in among), default=0)
    return {"url": url, "metadata": details, "store": store, "added": newest + 1}


def locked(tx: Transaction, image_id: str) -> list[Location]:
    """The locations of an image that the transaction is about to change: nobody else changes them meanwhile."""
    row = tx.row(select(images.c.locations).where(images.c.id == image_id).with_for_update())
    return list(row.locations or ()) if row is not None else []


def keep(tx: Transaction, image_id: str, locations: list[Location]) -> None:
    """Write the list."""
    tx.update(images, images.c.id == image_id, locations=locations, updated_at=tx.now)


def add_stored(tx: Transaction, image_id: str, store: str) -> None:
    """The store holds a copy of the image now. Adding it twice changes nothing."""
    found = locked(tx, image_id)
    if all(location["store"] != store for location in found):
        found.append(made(stored_url(store, image_id), {"store": store}, store=store, among=found))
        keep(tx, image_id, found)


def remove_stored(tx: Transaction, image_id: str, store: str) -> None:
    """The store holds no copy any more."""
    found = locked(tx, image_id)
    rest = [location for location in found if location["store"] != store]
    if len(rest) != len(found):
        keep(tx, image_id, rest)
