"""What other services may call of image. Every function runs in the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct
from sqlalchemy import bindparam, or_, select

from cumulet.auth import Caller
from cumulet.db import Prepared, Transaction, select_as
from cumulet.db.in_list import in_list
from cumulet.fleet.service import Subject
from cumulet.services.image.context import ImageContext, ImageWorkers, Sealing
from cumulet.services.image.flows import register
from cumulet.services.image.loops import load_default_metadefs, maintain, recover_uploads
from cumulet.services.image.model import cache
from cumulet.services.image.model import images as model
from cumulet.services.image.model.adoption import (
    Examined,
    LostImage,
    LostImages,
    NotAdoptable,
    adopt,
    examine,
    follow,
    lost,
)
from cumulet.services.image.model.protections import load as property_protections
from cumulet.services.image.model.quota import RESOURCES as LIMITED
from cumulet.services.image.model.recovery import marked_by
from cumulet.services.image.model.retention import forget, kept
from cumulet.services.image.model.screening import screened
from cumulet.services.image.model.stores.declared import DeclarationError, declared
from cumulet.services.image.model.stores.marks import MarkError
from cumulet.services.image.states import ACTIVE
from cumulet.services.image.tables import ImageRow, MemberRow, images, members

__all__ = [
    "LIMITED",
    "BootableImage",
    "DeclarationError",
    "Examined",
    "ImageContext",
    "ImageWorkers",
    "LooseImage",
    "LostImage",
    "LostImages",
    "MarkError",
    "NotAdoptable",
    "Sealing",
    "adopt",
    "boot_image",
    "data_path",
    "declared",
    "examine",
    "find",
    "follow",
    "forget",
    "hidden",
    "kept",
    "known_ids",
    "load_default_metadefs",
    "lost",
    "maintain",
    "marked_by",
    "names",
    "property_protections",
    "recover_uploads",
    "register",
]


class LooseImage(Struct, frozen=True):
    """A kernel or ramdisk that an image names. Size in bytes."""

    id: str
    status: str
    size: int | None
    os_hash_value: str | None


class BootableImage(Struct, frozen=True):
    """What compute needs to know of an image. Sizes in bytes, `min_ram` in MiB, `min_disk` in GiB."""

    id: str
    name: str | None
    status: str
    disk_format: str | None
    container_format: str | None
    size: int | None
    min_ram: int
    min_disk: int
    os_hash_value: str | None
    virtual_size: int | None
    properties: dict[str, str]
    kernel: LooseImage | None = None
    ramdisk: LooseImage | None = None


_IMAGE = Prepared(select_as(ImageRow).where(images.c.id == bindparam("image"), images.c.deleted_at.is_(None)))
_NO_KERNEL = "nokernel"
"""What an image names as its kernel to have neither kernel nor ramdisk, as in Nova."""


def boot_image(tx: Transaction, caller: Caller, policy_is_admin: bool, image_id: str) -> BootableImage | None:
    """The image as this caller may boot it, with the kernel and the ramdisk that it names; None when one of the three
    is not there or not visible to the caller. One query, one more for a kernel and for a ramdisk; each is two for
    an image that another project shares.

    The status is not judged here: an image that is not active is the caller's to refuse in its own words.
    """
    row = _seen(tx, caller, policy_is_admin, image_id)
    if row is None:
        return None
    properties = dict(row.properties)
    named = [properties.get(name) or None for name in ("kernel_id", "ramdisk_id")]
    if named[0] == _NO_KERNEL:
        named = [None, None]
    found = [None if one is None else _seen(tx, caller, policy_is_admin, one) for one in named]
    if any(one is not None and other is None for one, other in zip(named, found, strict=True)):
        return None
    kernel, ramdisk = map(_loose, found)
    return BootableImage(
        id=row.id,
        name=row.name,
        status=row.status,
        disk_format=row.disk_format,
        container_format=row.container_format,
        size=row.size,
        min_ram=row.min_ram,
        min_disk=row.min_disk,
        os_hash_value=row.os_hash_value,
        virtual_size=row.virtual_size,
        properties=properties,
        kernel=kernel,
        ramdisk=ramdisk,
    )


def _seen(tx: Transaction, caller: Caller, policy_is_admin: bool, image_id: str) -> ImageRow | None:
    row = tx.row(_IMAGE, {"image": image_id})
    return row if row is not None and (policy_is_admin or model.sees(tx, caller, row)) else None


def _loose(row: ImageRow | None) -> LooseImage | None:
    return None if row is None else LooseImage(row.id, row.status, row.size, row.os_hash_value)


def names(tx: Transaction, ids: Iterable[str]) -> dict[str, str]:
    """Names by id, of deleted images as well; an image without a name is left out. One query."""
    query = select(images.c.id, images.c.name).where(images.c.id.in_(list(ids)), images.c.name.is_not(None))
    return {row.id: row.name for row in tx.rows(query)}


def find(tx: Transaction, text: str) -> list[Subject]:
    """Images with this id or name, deleted ones as well, for ``explain``; the newest 20."""
    query = select(images.c.id, images.c.name).where(or_(images.c.id == text, images.c.name == text))
    rows = tx.rows(query.order_by(images.c.created_at.desc()).limit(20))
    return [Subject("image", row.id, row.name or "") for row in rows]


def hidden(tx: Transaction, wanted: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """Of these (project, image) pairs those in which the image is there and the project does not see it. Two
    queries."""
    pairs = set(wanted)
    ids = {image_id for _, image_id in pairs}
    columns = (images.c.id, images.c.owner, images.c.visibility)
    rows = {row.id: row for row in tx.rows(select(*columns).where(in_list(images.c.id, ids)))}
    shared = {id for id, row in rows.items() if row.visibility == "shared"}
    member = {
        (row.member, row.image_id) for row in tx.rows(select_as(MemberRow).where(in_list(members.c.image_id, shared)))
    }
    return {
        (project_id, id)
        for project_id, id in pairs
        if (row := rows.get(id)) is not None
        and row.visibility not in ("public", "community")
        and row.owner != project_id
        and not (id in shared and (project_id, id) in member)
    }


def data_path(tx: Transaction, context: ImageContext, image_id: str) -> Path | None:
    """The file with an active image's bytes, for the link that feeds nodes; None when there is none, or when its
    content was never screened, or while it is being brought near from a store across a network."""
    row = tx.row(select(images.c.status, images.c.container_format).where(images.c.id == image_id))
    if row is None or row.status != ACTIVE or not screened(row.container_format):
        return None
    return cache.near(tx, context, image_id)


def known_ids(tx: Transaction) -> set[str]:
    """Ids of all images that there were. One query."""
    return {row.id for row in tx.rows(select(images.c.id))}
