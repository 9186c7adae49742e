"""Writes fresh qcow2 files, and reads the few header fields of those that we wrote or have checked.

Writing an overlay is a few hundred bytes, so it is done here instead of by starting a program. Must never be used to
judge an untrusted file: that is the work of `images`. Source of the layout: QEMU's docs/interop/qcow2.txt.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

from msgspec import Struct

CLUSTER_BITS = 16
CLUSTER = 1 << CLUSTER_BITS
MAX_SIZE = 1 << 46  # 64 TiB: the first-level table still fits one refcount block many times over
_MAGIC = b"QFI\xfb"
_BACKING_FORMAT = 0xE2792ACA
_HEADER_BYTES = 104


class Backing(Struct, frozen=True):
    """The file below an overlay. `format` (raw or qcow2) is written down, so that nobody ever guesses it."""

    path: Path
    format: str


def write(path: Path, size: int, backing: Backing | None) -> None:
    """Create `path` as an empty qcow2 of `size` bytes, on disk when this returns. Raises OSError, ValueError.

    The file appears under its name only when it is complete. It names the one below from its own folder, so that both
    may move together.
    """
    if not 0 < size <= MAX_SIZE:
        raise ValueError(f"a disk of {size} bytes")
    size = -(-size // 512) * 512
    fresh = path.with_name(f".{path.name}.new")
    try:
        with open(fresh, "wb") as out:
            below = backing and Backing(Path(os.path.relpath(backing.path, path.parent)), backing.format)
            _write_layout(out.fileno(), size, below)
            os.fsync(out.fileno())
        fresh.rename(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


def _write_layout(out: int, size: int, backing: Backing | None) -> None:
    """Header cluster, refcount table, one refcount block, then the first-level table (all zero: nothing mapped)."""
    first_level = -(-size // (CLUSTER * CLUSTER // 8))
    first_level_clusters = max(1, -(-first_level * 8 // CLUSTER))
    used = 3 + first_level_clusters
    extension, name = b"", b""
    if backing is not None:
        name = os.fsencode(backing.path)
        if len(name) > 1023:
            raise ValueError("the path of the backing file is too long")
        kind = backing.format.encode()
        extension = struct.pack(">II", _BACKING_FORMAT, len(kind)) + kind.ljust(-(-len(kind) // 8) * 8, b"\0")
    extension += bytes(8)
    name_offset = _HEADER_BYTES + len(extension) if name else 0
    header = struct.pack(
        ">4sIQIIQIIQQIIQQQQII",
        _MAGIC, 3, name_offset, len(name), CLUSTER_BITS, size, 0, first_level, 3 * CLUSTER, CLUSTER, 1, 0, 0,
        0, 0, 0, 4, _HEADER_BYTES,
    )  # fmt: skip
    os.pwrite(out, header + extension + name, 0)
    os.pwrite(out, struct.pack(">Q", 2 * CLUSTER), CLUSTER)
    os.pwrite(out, struct.pack(">H", 1) * used, 2 * CLUSTER)
    os.ftruncate(out, used * CLUSTER)


def virtual_size(path: Path, file_format: str) -> int:
    """Bytes that a guest sees of a checked image: `file_format` is raw or qcow2. Raises OSError, ValueError."""
    if file_format == "raw":
        return path.stat().st_size
    with open(path, "rb") as source:
        head = source.read(32)
    if len(head) < 32 or head[:4] != _MAGIC:
        raise ValueError("not a qcow2 file")
    return int(struct.unpack(">Q", head[24:32])[0])
