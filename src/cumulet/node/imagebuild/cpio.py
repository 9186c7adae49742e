"""Writes an initial RAM disk (cpio "newc", gzip). Never looks at the file system's own owners or times."""

from __future__ import annotations

import gzip
import stat
from pathlib import Path


class Archive:
    """Collects entries, all owned by root with time 0, and gives the compressed archive."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._count = 0
        self._folders: set[str] = set()

    def folder(self, name: str) -> None:
        """Add a folder and those above it."""
        parts = name.strip("/").split("/")
        for depth in range(1, len(parts) + 1):
            path = "/".join(parts[:depth])
            if path not in self._folders:
                self._folders.add(path)
                self._entry(path, stat.S_IFDIR | 0o755, b"")

    def file(self, name: str, data: bytes, mode: int = 0o644) -> None:
        """Add a regular file."""
        if "/" in name.strip("/"):
            self.folder(str(Path(name.strip("/")).parent))
        self._entry(name.strip("/"), stat.S_IFREG | mode, data)

    def link(self, name: str, target: str) -> None:
        """Add a symbolic link."""
        self._entry(name.strip("/"), stat.S_IFLNK | 0o777, target.encode())

    def device(self, name: str, major: int, minor: int) -> None:
        """Add a character device."""
        self._entry(name.strip("/"), stat.S_IFCHR | 0o600, b"", (major, minor))

    def packed(self) -> bytes:
        """The whole archive, gzip-compressed, the same bytes for the same entries."""
        self._entry("TRAILER!!!", 0, b"")
        return gzip.compress(b"".join(self._parts), compresslevel=9, mtime=0)

    def _entry(self, name: str, mode: int, data: bytes, device: tuple[int, int] = (0, 0)) -> None:
        self._count += 1
        path = name.encode() + b"\0"
        fields = (self._count, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(path), 0)
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + path
        self._parts += [head, bytes(-len(head) % 4), data, bytes(-len(data) % 4)]
