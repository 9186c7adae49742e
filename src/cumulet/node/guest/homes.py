"""Where each guest's things are on this host, and whom they belong to.

Must never give a path for what is no guest's id.
"""

from __future__ import annotations

import os
import re
import uuid as uuids
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from cumulet.node import users
from cumulet.node.guest.errors import GuestError

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SOCKET_BYTES = 107  # the kernel's limit for the path of a unix socket


def is_id(text: str) -> bool:
    """Whether a text is a guest's id."""
    return _UUID.fullmatch(text) is not None


class Homes:
    """Folders and sockets of all guests below `state`, and the mark of this node's guests.

    `shared_group`: guests' QEMUs run in a group that all of them share, as /dev/kvm wants it. Raises GuestError for a
    folder that sockets cannot be in.
    """

    def __init__(self, state: Path, *, shared_group: bool = False) -> None:
        self._state = state
        self._instances = state / "instances"
        self._instances.mkdir(parents=True, exist_ok=True)
        self._instances.chmod(0o711)  # each guest's user passes to its own folder
        if len(os.fsencode(self.socket("0" * 36))) > _SOCKET_BYTES:
            raise GuestError("The host is not set up properly.", f"{state}: too long for the names of sockets in it")
        self._mode = 0o711 if shared_group else 0o710
        self.owner = _owner(state)

    def folder(self, uuid: str) -> Path:
        """The guest's own folder, which may not be there. Raises GuestError for what is no id."""
        if not is_id(uuid):
            raise GuestError("The server has an invalid id.", repr(uuid))
        return self._instances / uuid

    def socket(self, uuid: str) -> Path:
        """The socket of the guest's screen."""
        return self._state / "vnc" / f"{uuid}.sock"

    def user(self, uuid: str) -> users.User:
        """Whom the guest's QEMU runs as and its disks belong to; its folder must be there.

        In a group that all share, the guest's own cannot let it into its folder.
        """
        return users.of_folder(self.folder(uuid), "guest", self.owner, uuid, mode=self._mode)

    def ids(self) -> list[str]:
        """Ids of guests that have a folder here."""
        return os.listdir(self._instances)

    def folders(self) -> Iterator[Path]:
        """All guests' folders."""
        return self._instances.iterdir()


def _owner(state: Path) -> str:
    """The mark of this node's guests, made once and kept in the state folder."""
    kept = state / "guest-owner"
    if not kept.exists():
        fresh = state / f".guest-owner.{os.getpid()}"
        fresh.write_text(str(uuids.uuid4()))
        with suppress(FileExistsError):
            os.link(fresh, kept)
        fresh.unlink()
    return kept.read_text().strip()
