"""What the node must remember of a guest when both it and libvirt have been restarted: one small file per guest.

Counters of reboots are not here: they are in the domain's own metadata, where a QEMU and the counters it was started
under appear and vanish together. Must never be needed to remove a guest.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from cumulet.node.guest.errors import from_os_error


class Journal(msgspec.Struct, omit_defaults=True):
    """`power` is what we last brought about ('' before the first start); `left_by_itself`: the guest switched itself
    off since then; `host_ended`: we switched it off because the host went down, and it is to be started again. `images`
    are the ids that the disk is built upon."""

    name: str = ""
    power: str = ""
    left_by_itself: bool = False
    host_ended: bool = False
    images: list[str] = []


def read(folder: Path) -> Journal:
    """The journal of the guest whose folder this is; an empty one when there is none or it cannot be read."""
    try:
        return msgspec.json.decode((folder / "journal.json").read_bytes(), type=Journal)
    except (OSError, msgspec.DecodeError):
        return Journal()


def write(folder: Path, journal: Journal) -> None:
    """Replace the journal. Raises GuestError."""
    fresh = folder / ".journal.json.new"
    try:
        fresh.touch(0o600)
        fresh.write_bytes(msgspec.json.encode(journal))
        fresh.rename(folder / "journal.json")
    except OSError as error:
        raise from_os_error(error, str(folder)) from error
    finally:
        if fresh.exists():
            os.unlink(fresh)
