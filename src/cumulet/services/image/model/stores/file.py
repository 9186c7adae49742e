"""Images as files of one folder: the object of an image is the file that bears its id, and its URL is that id, so that
the folder may lie anywhere.

An upload writes ``<image>.<upload>.part`` and holds a lock on it; the file gets its name when the bytes are on the
disk. Whoever dies on the way leaves a part without a lock, which is nobody's, or a file that no location names. Such a
file may be an image of a database that is lost: it is set aside (`lost`), never removed straight away.
"""

from __future__ import annotations

import errno
import fcntl
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cumulet.services.image.model.stores.contract import BytesMissing, ImageStore, Reading, StoreFull, Writing
from cumulet.services.image.model.stores.lost import LostFolder


class FileStore(ImageStore):
    """A folder that belongs to the API's user (0700).

    `shared`: the operator says that other clouds use it as well. `claim` is the hold that this cloud has on the folder
    (see `marks`); what no row names may be moved only while `is_ours`.
    """

    kind = "file"
    claims = False

    def __init__(self, id: str, folder: Path, *, shared: bool = False, description: str = "", weight: int = 0) -> None:
        super().__init__(id, description=description, weight=weight)
        self.folder = folder.absolute()
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.lost = LostFolder(self.folder / "lost")
        self.shared = shared
        self.is_ours = True
        self.claim: Any = None

    def create(self, image_id: str, upload_id: str) -> Writing:
        return _FileWriting(self, image_id, upload_id)

    def open(self, url: str) -> Reading:
        return FileReading(self._path(url))

    def erase(self, url: str) -> None:
        self._path(url).unlink(missing_ok=True)

    def owns(self, url: str) -> bool:
        return is_id(url)

    def local_path(self, url: str) -> Path | None:
        return self._path(url)

    def _path(self, url: str) -> Path:
        """The file behind a URL: always one of the folder's own, whatever the URL says."""
        if not self.owns(url):
            raise BytesMissing("The URL names no file of this store.")
        return self.folder / url

    def properties(self) -> Mapping[str, Any]:
        return {"data_dir": str(self.folder), "chunk_size": 4 << 20, "thin_provisioning": False}

    def living(self) -> tuple[set[str], list[str]]:
        """The ids of uploads that write here now; and the names of parts that died, which are gone now."""
        alive, dead = set(), []
        for path in sorted(self.folder.glob("*.part")):
            if _remove_dead(path):
                dead.append(path.name)
            else:
                alive.add(path.name.split(".")[1])
        return alive, dead

    def names(self) -> dict[str, int]:
        """The images whose files are here, with their sizes in bytes. What is a link or no image's is not among
        them."""
        found = {}
        with os.scandir(self.folder) as entries:
            for entry in entries:
                if is_id(entry.name) and entry.is_file(follow_symlinks=False):
                    found[entry.name] = entry.stat(follow_symlinks=False).st_size
        return found

    def set_aside(self, name: str) -> Path:
        """Move the file of an image to the folder of lost ones; where it is now. Raises OSError."""
        return self.lost.keep(self.folder / name)

    def take_back(self, name: str, size: int | None) -> bool:
        """Move a lost file of that image, of `size` bytes if one is given, to where it was; whether there was one.
        Raises OSError."""
        return self.lost.give_back(self.folder / name, size)


class _FileWriting(Writing):
    def __init__(self, store: FileStore, image_id: str, upload_id: str) -> None:
        self.path = store.folder / f"{image_id}.{upload_id}.part"
        self.final = store.folder / image_id
        self.url = image_id
        self._fd: int | None = _locked(self.path)
        self._renamed = False

    def write(self, block: bytes | bytearray) -> None:
        assert self._fd is not None
        rest = memoryview(block)
        try:
            while rest:
                rest = rest[os.write(self._fd, rest) :]
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StoreFull("there is not enough disk space on the image storage media.") from None
            raise

    def flush(self) -> None:
        assert self._fd is not None
        os.fdatasync(self._fd)

    def finish(self) -> None:
        assert self._fd is not None
        os.fsync(self._fd)
        os.rename(self.path, self.final)
        self._renamed = True
        sync_folder(self.final.parent)

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)
        if self._renamed and self._is_final():
            self.final.unlink(missing_ok=True)
        if self._fd is not None:  # its room is free at once, though the lock is held until `close`
            os.ftruncate(self._fd, 0)

    def _is_final(self) -> bool:
        """Whether the file that bears the image's name is this one, and not that of a later writing."""
        if self._fd is None:
            return False
        try:
            return os.path.samestat(os.fstat(self._fd), os.stat(self.final))
        except FileNotFoundError:
            return False

    def close(self) -> None:
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)


class FileReading(Reading):
    """A file that is read at any place by any thread."""

    def __init__(self, path: Path) -> None:
        try:
            self.fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            raise BytesMissing("The file of the image is not there.") from None
        self.size = os.fstat(self.fd).st_size

    def read(self, count: int, at: int) -> bytes:
        return os.pread(self.fd, count, at)

    def close(self) -> None:
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)


def sync_folder(folder: Path) -> None:
    """A rename in the folder survives power loss from now on."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def is_id(name: str) -> bool:
    """Whether the name is an image's id."""
    try:
        return str(uuid.UUID(name)) == name
    except ValueError:
        return False


def _locked(path: Path) -> int:
    """A new file, open and locked. Whoever removes what the dead left may have seen it without its lock, and have
    removed it: then there is another one."""
    while True:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(fd, fcntl.LOCK_EX)
        if os.fstat(fd).st_nlink:
            return fd
        os.close(fd)


def _remove_dead(path: Path) -> bool:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink(missing_ok=True)
    except BlockingIOError:
        return False
    finally:
        os.close(fd)
    return True
