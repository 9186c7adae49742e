"""Opens the screen of a guest of this machine: a unix socket, at the place that follows from the guest's id.

The controller is not root, and what lies in the folder was made for guests: must never follow a link, never open
anything but a socket, and never take a path from anybody.
"""

from __future__ import annotations

import asyncio
import os
import re
import stat
from pathlib import Path

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


async def connect(folder: Path, server_id: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """The stream of the server's screen in `folder`. Raises OSError when there is none, or none that may be opened."""
    socket = _held(folder, server_id)
    try:
        # By its descriptor: it is what was looked at, whatever stands under the name by now.
        return await asyncio.open_unix_connection(f"/proc/self/fd/{socket}")
    finally:
        os.close(socket)


def _held(folder: Path, server_id: str) -> int:
    """A descriptor that names the socket. Raises OSError."""
    if not _UUID.fullmatch(server_id):
        raise FileNotFoundError(f"no server has the id {server_id!r}")
    place = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        facts = os.fstat(place)
        if facts.st_uid not in (0, os.geteuid()) or facts.st_mode & stat.S_IWOTH:
            raise PermissionError(f"{folder} is somebody else's")
        socket = os.open(f"{server_id}.sock", os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=place)
    finally:
        os.close(place)
    if not stat.S_ISSOCK(os.fstat(socket).st_mode):
        os.close(socket)
        raise PermissionError(f"the screen of {server_id} is no socket")
    return socket
