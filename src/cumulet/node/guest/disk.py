"""Disks of a guest, in its own folder: `disk` (overlay on a cached image), `disk.eph0`, `disk.swap`.

The format of each file is ours by its name and is stated wherever the file is opened; what a guest writes into its
disk is never looked at. Must never open an existing disk to learn anything from it.
"""

from __future__ import annotations

import os
from pathlib import Path

from msgspec import Struct

from cumulet.node import trees
from cumulet.node.guest import bounded, qcow2
from cumulet.node.guest.errors import FlavorTooSmall, GuestError, from_os_error
from cumulet.node.guest.images import BaseImage
from cumulet.node.users import User, give

GIB = 1 << 30
MIB = 1 << 20
_FORMAT_BOUNDS = bounded.Bounds(cpu_s=30, wall_s=60, strange=False)


class Disk(Struct, frozen=True):
    """A disk as the domain needs it. `format` is raw or qcow2; a `cdrom` is read only; `below` is what it is an overlay
    on, said by us since the file itself is the guest's to write."""

    path: Path
    format: str
    cdrom: bool = False
    below: BaseImage | None = None


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


def absent(folder: Path) -> None:
    """Remove the guest's folder with all that is in it; safe first and twice."""
    try:
        trees.remove(folder)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise from_os_error(error, str(folder)) from error


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
