"""Images as files of one folder: the object of an image is the file that bears its id.

An upload writes ``<image>.<upload>.part`` and holds a lock on it; the file gets its name when the bytes are on the
disk. Whoever dies on the way leaves a part without a lock, or a file that no location names: `leftovers` finds both.
"""

from __future__ import annotations

import errno
import fcntl
import os
import uuid
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cumulet.services.image.model.stores.contract import BytesMissing, ImageStore, Reading, StoreFull, Writing


class FileStore(ImageStore):
    """A folder that belongs to the API's user (0700)."""

    kind = "file"
    claims = False

    def __init__(self, id: str, folder: Path, *, description: str = "", weight: int = 0) -> None:
        super().__init__(id, description=description, weight=weight)
        self.folder = folder.absolute()
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def url(self, name: str) -> str:
        """The URL of the object called `name`."""
        return f"file://{quote(str(self.folder))}/{name}"

    def create(self, image_id: str, upload_id: str) -> Writing:
        return _FileWriting(self, image_id, upload_id)

    def open(self, url: str) -> Reading:
        return FileReading(self._path(url))

    def erase(self, url: str) -> None:
        self._path(url).unlink(missing_ok=True)

    def owns(self, url: str) -> bool:
        return url.startswith(self.url("")) and is_id(url.removeprefix(self.url("")))

    def local_path(self, url: str) -> Path | None:
        return self._path(url)

    def _path(self, url: str) -> Path:
        """The file behind a URL: always one of the folder's own, whatever the URL says."""
        if not self.owns(url):
            raise BytesMissing("The URL names no file of this store.")
        return self.folder / url.rpartition("/")[2]

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

    def remove_strangers(self, held: Collection[str]) -> list[str]:
        """Remove files of images that are not among `held`; their names."""
        removed = []
        for path in sorted(self.folder.iterdir()):
            if path.is_file() and is_id(path.name) and path.name not in held:
                path.unlink(missing_ok=True)
                removed.append(path.name)
        return removed


class _FileWriting(Writing):
    def __init__(self, store: FileStore, image_id: str, upload_id: str) -> None:
        self.path = store.folder / f"{image_id}.{upload_id}.part"
        self.final = store.folder / image_id
        self.url = store.url(image_id)
        self._fd: int | None = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._fd, fcntl.LOCK_EX)
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
