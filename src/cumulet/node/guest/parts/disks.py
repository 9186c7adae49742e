"""Disks of a guest, in its own folder: `disk` (overlay on a cached image), `disk.eph0`, `disk.swap`.

The format of each file is ours by its name and is stated wherever the file is opened; what a guest writes into its
disk is never looked at. Must never open an existing disk to learn anything from it.
"""

from __future__ import annotations

import os
from pathlib import Path

from msgspec import Struct

from cumulet.node.guest import bounded, qcow2
from cumulet.node.guest.domain import Disk
from cumulet.node.guest.errors import FlavorTooSmall, GuestError, from_os_error
from cumulet.node.guest.images import BaseImage
from cumulet.node.guest.local import Found, LocalGuest, WantedGuest
from cumulet.node.guest.parts.part import Part
from cumulet.node.users import User, give

NAMES = ("disk", "disk.eph0", "disk.swap")
GIB = 1 << 30
MIB = 1 << 20
_FORMAT_BOUNDS = bounded.Bounds(cpu_s=30, wall_s=60, strange=False)


class Disks(Part):
    """See `Part`."""

    def ensure(self, guest: WantedGuest, found: Found) -> None:
        """Make those that are missing; an image of a CD is booted from as it is."""
        image = guest.spec.image
        if not guest.building or found.base is None or image is None:
            return
        spec = guest.spec
        if image.disk_format == "iso":
            found.disks = [Disk(found.base.path, "raw", cdrom=True)]
        else:
            sizes = Sizes(spec.root_gb, spec.ephemeral_gb, spec.swap_mb)
            found.disks = ensure(guest.folder, found.base, sizes, found.user)

    def absent(self, guest: LocalGuest) -> None:
        """Remove them."""
        for name in NAMES:
            (guest.folder / name).unlink(missing_ok=True)


class Sizes(Struct, frozen=True):
    """Sizes of a flavor; a root of 0 means the image's own virtual size."""

    root_gb: int
    ephemeral_gb: int = 0
    swap_mb: int = 0


def ensure(folder: Path, base: BaseImage, sizes: Sizes, user: User | None = None) -> list[Disk]:
    """All disks of the guest, made when missing, never touched when there, and `user`'s own; the root disk is first.

    Raises FlavorTooSmall and GuestError; nothing half-made stays behind.
    """
    size = sizes.root_gb * GIB or base.virtual_size
    if size < base.virtual_size:
        raise FlavorTooSmall(
            "Flavor's disk is too small for requested image. "
            f"Flavor disk is {size} bytes, image is {base.virtual_size} bytes."
        )
    disks = [Disk(folder / "disk", "qcow2", below=base)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not disks[0].path.exists():
            qcow2.write(disks[0].path, size, qcow2.Backing(base.path, base.format))
        if sizes.ephemeral_gb:
            disks.append(Disk(folder / "disk.eph0", "raw"))
            make = ["mke2fs", "-q", "-F", "-t", "ext4", "-L", "ephemeral0"]
            _ensure_formatted(disks[-1].path, sizes.ephemeral_gb * GIB, make, user)
        if sizes.swap_mb:
            disks.append(Disk(folder / "disk.swap", "raw"))
            _ensure_formatted(disks[-1].path, sizes.swap_mb * MIB, ["mkswap", "-q"], user)
        if user is not None:  # those from before guests had users as well
            for each in disks:
                give(each.path, user)
    except (OSError, ValueError) as error:
        if isinstance(error, OSError):
            raise from_os_error(error, str(folder)) from error
        raise GuestError("The size of the server's disk is not supported.", str(error)) from error
    return disks


def _ensure_formatted(path: Path, size: int, make: list[str], user: User | None) -> None:
    if path.exists():
        return
    fresh = path.with_name(f".{path.name}.new")
    try:
        with open(fresh, "wb") as out:
            out.truncate(size)
        if user is not None:
            give(fresh, user)
        bounded.run([*make, str(fresh)], _FORMAT_BOUNDS, user)
        fresh.rename(path)
    except bounded.CommandFailed as failed:
        raise GuestError("The host could not prepare the server's disk.", str(failed)) from failed
    finally:
        if fresh.exists():
            os.unlink(fresh)
