"""Builds the tiny guest image: Debian's cloud kernel, BusyBox, dropbear and our own first steps.

Never installs packages on this machine and needs no root rights; see catalog.py for the programs it runs.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

from cumulet.node.imagebuild import debs, disk, tree
from cumulet.node.imagebuild.commands import ImageBuildError
from cumulet.node.imagebuild.cpio import Archive
from cumulet.node.imagebuild.kmods import Modules

Say = Callable[[str], None]

LABEL = "cumulet-root"
KERNEL_ARGUMENTS = f"root=LABEL={LABEL} console=tty1 console=ttyS0,115200"
_FAST = ("virtio_pci", "virtio_blk")
_ALL = ("virtio_scsi", "sd_mod", "ata_piix")


def packages(kernel: str) -> list[str]:
    """The Debian packages that the image is made of; `kernel` is the kernel package's name."""
    return sorted({kernel, "syslinux-common", *tree.LIBRARY_PACKAGES, *(name for name, _ in tree.PROGRAMS.values())})


def build_tiny(out: Path, work: Path, say: Say) -> Path:
    """Build the image at `out` (qcow2), with `work` for downloads and intermediate files; returns `out`.

    Raises ImageBuildError when a package or program is missing. `out` appears only when it is whole.
    """
    kernel = debs.kernel_package()
    say(f"fetching packages ({kernel} and others)")
    files = debs.fetch(packages(kernel), work / "debs")
    unpacked = _fresh(work / "packages")
    say("unpacking")
    for name, deb in files.items():
        debs.unpack(deb, unpacked / name)
    modules = Modules(_only(unpacked / kernel / "lib/modules"))
    root = _fresh(work / "root")
    tree.lay_out(root, unpacked, modules)
    say("writing file systems")
    boot_files = {
        "vmlinuz": unpacked / kernel / "boot" / f"vmlinuz-{modules.version}",
        "initrd.img": work / "initrd.img",
        "syslinux.cfg": work / "syslinux.cfg",
    }
    boot_files["initrd.img"].write_bytes(_initrd(unpacked, modules))
    boot_files["syslinux.cfg"].write_text(disk.boot_menu(KERNEL_ARGUMENTS))
    disk.make_boot(work / "boot.img", boot_files)
    disk.make_root(work / "root.img", root, LABEL, tree.OWNERS, tree.MODES)
    half = out.with_name(out.name + ".part")
    mbr = unpacked / "syslinux-common/usr/lib/syslinux/mbr/mbr.bin"
    disk.make_disk(half, work / "boot.img", work / "root.img", mbr)
    half.replace(out)
    say(f"built {out} ({out.stat().st_size / 1e6:.1f} MB)")
    return out


def fingerprint() -> str:
    """Names what a build would give now: our own files and the versions of the packages."""
    sha = hashlib.sha256()
    for path in sorted(tree.HERE.rglob("*")):
        if path.is_file() and path.suffix != ".pyc":
            sha.update(str(path.relative_to(tree.HERE)).encode() + b"\0" + path.read_bytes())
    for deb in debs.offered(packages(debs.kernel_package())):
        sha.update(deb.file.encode() + b"\0")
    return sha.hexdigest()[:16]


def _initrd(unpacked: Path, modules: Modules) -> bytes:
    archive = Archive()
    for name in ("dev", "proc", "sys", "mnt", "etc", "bin", "lib/modules"):
        archive.folder(name)
    # The kernel opens this before the first program can mount a /dev.
    archive.device("dev/console", 5, 1)
    archive.file("init", (tree.HERE / "initrd/init.sh").read_bytes(), 0o755)
    archive.file("bin/busybox", (unpacked / "busybox-static/bin/busybox").read_bytes(), 0o755)
    archive.link("bin/sh", "busybox")
    every = modules.closure([*_FAST, *_ALL])
    for name in every:
        archive.file(f"lib/modules/{name}.ko", modules.path(name).read_bytes())
    for list_name, wanted in (("fast", modules.closure(_FAST)), ("all", every)):
        archive.file(f"etc/modules.{list_name}", "".join(f"{name}.ko\n" for name in wanted).encode())
    return archive.packed()


def _fresh(folder: Path) -> Path:
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    return folder


def _only(folder: Path) -> Path:
    inside = sorted(folder.iterdir()) if folder.is_dir() else []
    if len(inside) != 1:
        raise ImageBuildError(f"expected one kernel version in {folder}, found {len(inside)}")
    return inside[0]
