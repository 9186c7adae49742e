"""Images: who sees them, and what may become of their records."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from sqlalchemy import ColumnElement, and_, or_, select, true

from cumulet.auth import Caller
from cumulet.db import Prepared, Transaction, select_as
from cumulet.db.in_list import in_bound_list
from cumulet.engine import timeline
from cumulet.http.faults import Conflict, NotAllowed, NotFound
from cumulet.services.image.model import locations
from cumulet.services.image.states import ACTIVE, DEACTIVATED, DELETED, QUEUED, allowed
from cumulet.services.image.tables import ImageRow, TagRow, cached, images, members, tags

if TYPE_CHECKING:
    from cumulet.services.image.context import ImageContext

BASE = (
    "name",
    "owner",
    "visibility",
    "disk_format",
    "container_format",
    "min_disk",
    "min_ram",
    "protected",
    "os_hidden",
)
"""Attributes that have a column and that a client may set."""


Project = str | None | ColumnElement[str]
"""A project's id, or what stands for it in a prepared statement."""


class Image(Struct, frozen=True):
    """An image's row with its tags. `shared`: the caller sees it as a member."""

    row: ImageRow
    tags: Sequence[str] = ()
    shared: bool = False

    @property
    def id(self) -> str:
        """The image's id."""
        return self.row.id

    def target(self, caller: Caller) -> dict[str, Any]:
        """What policy rules look at."""
        return {
            "image_id": self.row.id,
            "owner": self.row.owner,
            "project_id": self.row.owner,
            "tenant_id": self.row.owner,
            "visibility": self.row.visibility,
            "member_id": caller.project_id if self.shared else None,
        }


def not_found(image_id: str) -> NotFound:
    """Glance's answer for what is not there or not visible."""
    return NotFound(f"No image found with ID {image_id}")


def _membership(project_id: Project, status: str | None) -> ColumnElement[bool]:
    """Images shared with the project; in this member status, or in any."""
    query = select(members.c.image_id).where(members.c.member == project_id)
    if status is not None:
        query = query.where(members.c.status == status)
    return images.c.id.in_(query)


def visible(caller: Caller, member_status: str | None = None) -> ColumnElement[bool]:
    """What the caller may see at all, whether or not a plain list shows it."""
    return true() if caller.is_admin else visible_to(caller.project_id, member_status)


def visible_to(project_id: Project, member_status: str | None = None) -> ColumnElement[bool]:
    """What a project sees whose caller is no admin."""
    shared = and_(images.c.visibility == "shared", _membership(project_id, member_status))
    # One comparison each: a prepared statement has no lists written into it.
    everyones = or_(images.c.visibility == "public", images.c.visibility == "community")
    return or_(images.c.owner == project_id, everyones, shared)


def sees(tx: Transaction, caller: Caller, row: ImageRow) -> bool:
    """The same for a row that is at hand: asks the database only about another project's shared image."""
    if caller.is_admin or row.visibility in ("public", "community") or row.owner == caller.project_id:
        return True
    query = select(members.c.image_id).where(members.c.image_id == row.id, members.c.member == caller.project_id)
    return row.visibility == "shared" and tx.row(query) is not None


class _SeenRow(ImageRow):
    """An image, and whether the caller is a member."""

    is_member: bool


def get(tx: Transaction, caller: Caller, image_id: str, *, missing: str = "No image found with ID {}") -> Image:
    """The image as the caller sees it. Raises 404, in the words of `missing`. Two queries."""
    is_member = _membership(caller.project_id, None).label("is_member")
    query = select_as(_SeenRow, images, is_member).where(
        images.c.id == image_id, images.c.deleted_at.is_(None), visible(caller)
    )
    row = tx.row(query)
    if row is None:
        raise NotFound(missing.format(image_id))
    shared = bool(row.is_member) and row.visibility == "shared"
    return Image(row, tags_of(tx, [image_id]).get(image_id, []), shared)


_TAGS = Prepared(select_as(TagRow).where(in_bound_list(tags.c.image_id, "ids")).order_by(tags.c.value))


def tags_of(tx: Transaction, ids: Collection[str]) -> dict[str, list[str]]:
    """Tags by image, sorted. One query."""
    found: dict[str, list[str]] = {}
    if ids:
        for row in tx.rows(_TAGS, {"ids": ids}):
            found.setdefault(row.image_id, []).append(row.value)
    return found


def create(tx: Transaction, image_id: str, values: Mapping[str, Any], tag_values: Collection[str]) -> Image:
    """A new, queued image. Raises 409 for an id that is or was in use."""
    if tx.row(select(images.c.id).where(images.c.id == image_id)) is not None:
        raise Conflict(f"Image ID {image_id} already exists!")
    row = {
        "min_disk": 0,
        "min_ram": 0,
        "protected": False,
        "os_hidden": False,
        **values,
        "id": image_id,
        "status": QUEUED,
        "created_at": tx.now,
        "updated_at": tx.now,
    }
    tx.insert(images, row)
    ordered = sorted(set(tag_values))
    tx.insert(tags, [{"image_id": image_id, "value": value} for value in ordered])
    timeline.record(tx, image_id, "created", "The image was created.")
    made = tx.row(select_as(ImageRow).where(images.c.id == image_id))
    assert made is not None
    return Image(made, ordered)


def update(tx: Transaction, image: Image, values: Mapping[str, Any]) -> None:
    """Write attributes of the record."""
    tx.update(images, images.c.id == image.id, **values, updated_at=tx.now)


def set_tags(tx: Transaction, image_id: str, values: Collection[str]) -> None:
    """Replace the image's tags."""
    tx.delete(tags, tags.c.image_id == image_id)
    tx.insert(tags, [{"image_id": image_id, "value": value} for value in sorted(set(values))])


def touch(tx: Transaction, image_id: str) -> None:
    """The image changed just now."""
    tx.update(images, images.c.id == image_id, updated_at=tx.now)


def delete(tx: Transaction, image: Image, context: ImageContext) -> None:
    """Delete the image; its bytes go after the commit. Raises 403 while it is protected."""
    if image.row.protected:
        raise NotAllowed(f"Image {image.id} is protected and cannot be deleted.", code="HTTPForbidden")
    destroy(tx, image, context)


def destroy(tx: Transaction, image: Image, context: ImageContext) -> None:
    """Delete the image whether or not it is protected: for the service itself, of what nobody ever had."""
    tx.update(images, images.c.id == image.id, status=DELETED, deleted_at=tx.now, updated_at=tx.now, upload_id=None)
    tx.delete(tags, tags.c.image_id == image.id)
    tx.delete(members, members.c.image_id == image.id)
    locations.remove_all(tx, context.stores, image.id)
    for place in (context.staging, context.caching):
        locations.forget(tx, place, image.id)
    tx.delete_by_key(cached, image_id=image.id)
    timeline.record(tx, image.id, timeline.DELETED, "The image was deleted, and its bytes.")


def switch(tx: Transaction, image: Image, wanted: str) -> None:
    """Deactivate or reactivate. Raises 403 from a status that does not allow it; the same status is no change."""
    status = image.row.status
    if status == wanted:
        return
    if wanted not in (ACTIVE, DEACTIVATED) or not allowed(status, wanted) or status == "saving":
        verb = "deactivate" if wanted == DEACTIVATED else "reactivate"
        raise NotAllowed(f"Not allowed to {verb} image in status '{status}'", code="HTTPForbidden")
    tx.update(images, images.c.id == image.id, status=wanted, updated_at=tx.now)
    timeline.record(tx, image.id, wanted, f"The image is {wanted} now.")
