"""Makes a bootable disk image in plain files: FAT boot partition, ext4 root, MBR, qcow2.

Never mounts anything, never uses a loop device, needs no root rights.
"""

from __future__ import annotations

import stat
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from cumulet.node.imagebuild.commands import ImageBuildError, run

SECTOR = 512
MIB = 1024 * 1024
BOOT_START = 2048
# FAT16 needs at least 4085 clusters; with 4 KiB clusters that is 16 MiB and some.
_SMALLEST_BOOT = 18 * MIB
# Room in the block group table for growing online to 1 TiB (in 4 KiB blocks).
_GROW_TO_BLOCKS = 1 << 28


def boot_menu(arguments: str) -> str:
    """Text of syslinux.cfg that boots /vmlinuz with /initrd.img and these kernel arguments at once."""
    lines = (
        "DEFAULT linux",
        "PROMPT 0",
        "LABEL linux",
        " LINUX /vmlinuz",
        " INITRD /initrd.img",
        f" APPEND {arguments}",
    )
    return "\n".join(lines) + "\n"


def make_boot(image: Path, files: Mapping[str, Path]) -> None:
    """Write a FAT16 file system with these files and the syslinux boot loader."""
    need = sum(path.stat().st_size for path in files.values()) + 2 * MIB
    sectors = _round_up(max(need, _SMALLEST_BOOT), MIB) // SECTOR
    image.unlink(missing_ok=True)
    geometry = ["-T", str(sectors), "-h", "16", "-s", "63", "-H", str(BOOT_START), "-c", "8"]
    run(["mformat", "-i", str(image), "-C", *geometry, "-N", "43554d55", "-v", "CUMULETBOOT", "::"])
    for name, path in files.items():
        run(["mcopy", "-i", str(image), str(path), f"::{name}"])
    run(["syslinux", "--install", str(image)])


def make_root(image: Path, tree: Path, label: str, owners: Mapping[str, int] | None, modes: Mapping[str, int]) -> None:
    """Write an ext4 file system from a folder.

    Everything belongs to root but the paths in `owners` (path -> uid and gid); with None, owners are
    as in the folder. `modes` gives permission bits that a folder made without root rights cannot carry,
    e.g. set-uid.
    """
    used = sum(_round_up(path.lstat().st_size, 4096) for path in tree.rglob("*"))
    blocks = (used + used // 8 + 12 * MIB) // 4096
    image.unlink(missing_ok=True)
    features = f"lazy_itable_init=0,resize={_GROW_TO_BLOCKS}"
    options = [
        "-q",
        "-F",
        "-t",
        "ext4",
        "-b",
        "4096",
        "-J",
        "size=4",
        "-m",
        "1",
        "-i",
        "8192",
        "-E",
        features,
    ]
    run(["mke2fs", *options, "-L", label, "-d", str(tree), str(image), str(blocks)])
    orders = _ownership(tree, owners) if owners is not None else []
    for name, mode in modes.items():
        orders.append(f"sif /{name} mode 0{stat.S_IFMT((tree / name).lstat().st_mode) | mode:o}")
    if not orders:
        return
    said = run(["debugfs", "-w", "-f", "-", str(image)], stdin="\n".join(orders) + "\n")
    if "not found" in said:
        raise ImageBuildError(f"could not set owners in the root file system: {said[-300:]}")


def make_disk(out: Path, boot: Path, root: Path, mbr: Path, *, compress: bool = False) -> None:
    """Join boot and root partition to one qcow2 disk at `out`."""
    boot_sectors = boot.stat().st_size // SECTOR
    root_start = _round_up(BOOT_START + boot_sectors, 2048)
    root_sectors = root.stat().st_size // SECTOR
    raw = out.with_name(out.name + ".raw")
    raw.unlink(missing_ok=True)
    with raw.open("wb") as disk:
        disk.truncate(_round_up((root_start + root_sectors) * SECTOR, MIB))
        disk.write(_mbr(mbr.read_bytes(), (BOOT_START, boot_sectors), (root_start, root_sectors)))
        for start, part in ((BOOT_START, boot), (root_start, root)):
            disk.seek(start * SECTOR)
            _copy_sparse(part, disk)
    options = ["-c"] if compress else []
    run(
        ["qemu-img", "convert", *options, "-f", "raw", "-O", "qcow2", "-S", "4k", str(raw), str(out)],
        timeout=600,
    )
    raw.unlink()


def _mbr(code: bytes, boot: tuple[int, int], root: tuple[int, int]) -> bytes:
    """A boot sector: active FAT16 (LBA) partition, then the Linux one, which has to stay last to grow."""
    beyond = b"\xfe\xff\xff"
    entries = [
        struct.pack("<B3sB3sII", 0x80, beyond, 0x0E, beyond, *boot),
        struct.pack("<B3sB3sII", 0, beyond, 0x83, beyond, *root),
    ]
    return code[:440].ljust(440, b"\0") + b"CUML\0\0" + b"".join(entries).ljust(64, b"\0") + b"\x55\xaa"


def _copy_sparse(part: Path, disk: BinaryIO) -> None:
    with part.open("rb") as source:
        while chunk := source.read(MIB):
            if chunk.strip(b"\0"):
                disk.write(chunk)
            else:
                disk.seek(len(chunk), 1)


def _ownership(tree: Path, owners: Mapping[str, int]) -> list[str]:
    orders = []
    for path in sorted(tree.rglob("*")):
        name = str(path.relative_to(tree))
        have = path.lstat()
        want = owners.get(name, 0)
        if have.st_uid != want:
            orders.append(f'sif "/{name}" uid {want}')
        if have.st_gid != want:
            orders.append(f'sif "/{name}" gid {want}')
    return orders


def _round_up(value: int, step: int) -> int:
    return -(-value // step) * step
