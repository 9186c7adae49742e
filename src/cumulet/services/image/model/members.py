"""Members of shared images: offered, then accepted or rejected by the member itself."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select

from cumulet.auth import Caller
from cumulet.db import Transaction, select_as
from cumulet.http.faults import Conflict, NotFound, TooLarge
from cumulet.services.image.model.images import Image
from cumulet.services.image.tables import MemberRow, members

MOST = 128


def possible(image: Image) -> bool:
    """Whether the image can have members: its visibility is 'shared'."""
    return bool(image.row.visibility == "shared")


def not_found(image: Image, member: str) -> NotFound:
    """Glance's answer for a member that is not there or not the caller's to see."""
    return NotFound(f"{member} not found in the member list of the image {image.id}.")


def add(tx: Transaction, image: Image, member: str) -> MemberRow:
    """Offer the image. Raises 409 for a member that it has, 413 beyond the most it may have."""
    if _row(tx, image, member) is not None:
        raise Conflict(f"Member {member} is duplicated for image {image.id}")
    count = tx.scalar(select(func.count()).where(members.c.image_id == image.id))
    if count >= MOST:
        raise TooLarge(
            f"Image member limit exceeded for image {image.id}: The limit has been exceeded on the number of allowed "
            f"image members for this image. Attempted: {count + 1}, Maximum: {MOST}:"
        )
    row = {"image_id": image.id, "member": member, "status": "pending"}
    tx.insert(members, {**row, "created_at": tx.now, "updated_at": tx.now})
    made = _row(tx, image, member)
    assert made is not None
    return made


def _row(tx: Transaction, image: Image, member: str) -> MemberRow | None:
    return tx.row(select_as(MemberRow).where(members.c.image_id == image.id, members.c.member == member))


def _owns(caller: Caller, image: Image) -> bool:
    return caller.is_admin or caller.project_id == image.row.owner


def listed(tx: Transaction, caller: Caller, image: Image) -> Sequence[MemberRow]:
    """All members for the owner and admins, only itself for a member."""
    query = select_as(MemberRow).where(members.c.image_id == image.id).order_by(members.c.created_at, members.c.member)
    if not _owns(caller, image):
        query = query.where(members.c.member == caller.project_id)
    return tx.rows(query)


def get(tx: Transaction, caller: Caller, image: Image, member: str) -> MemberRow:
    """A member as the caller may see it. Raises 404."""
    row = _row(tx, image, member)
    if row is None or not (_owns(caller, image) or caller.project_id == member):
        raise not_found(image, member)
    return row


def set_status(tx: Transaction, image: Image, member: str, status: str) -> MemberRow:
    """The member's answer."""
    where = (members.c.image_id == image.id) & (members.c.member == member)
    tx.update(members, where, status=status, updated_at=tx.now)
    row = _row(tx, image, member)
    assert row is not None
    return row


def remove(tx: Transaction, image: Image, member: str) -> None:
    """Withdraw the offer. Raises 404."""
    if not tx.delete(members, (members.c.image_id == image.id) & (members.c.member == member)):
        raise not_found(image, member)
