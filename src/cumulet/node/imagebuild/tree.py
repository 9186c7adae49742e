"""Lays out the root file system of the tiny guest from unpacked packages and our own files under rootfs/.

Never runs package scripts, never needs root rights.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from cumulet.node.imagebuild.commands import ImageBuildError, run
from cumulet.node.imagebuild.elf import needed
from cumulet.node.imagebuild.kmods import Modules

HERE = Path(__file__).parent
LIBRARIES = "usr/lib/x86_64-linux-gnu"

# Path in the guest -> (package, path in the package).
PROGRAMS = {
    "usr/bin/busybox": ("busybox", "bin/busybox"),
    "usr/bin/busybox-suid": ("busybox-static", "bin/busybox"),
    "usr/bin/dropbear": ("dropbear-bin", "usr/sbin/dropbear"),
    "usr/bin/dropbearkey": ("dropbear-bin", "usr/bin/dropbearkey"),
    "usr/bin/dbclient": ("dropbear-bin", "usr/bin/dbclient"),
    "usr/lib/sftp-server": ("openssh-sftp-server", "usr/lib/openssh/sftp-server"),
    "usr/bin/resize2fs": ("e2fsprogs", "sbin/resize2fs"),
    "usr/bin/doas": ("opendoas", "usr/bin/doas"),
    f"{LIBRARIES}/security/pam_permit.so": ("libpam-modules", "lib/x86_64-linux-gnu/security/pam_permit.so"),
    f"{LIBRARIES}/security/pam_deny.so": ("libpam-modules", "lib/x86_64-linux-gnu/security/pam_deny.so"),
}
# Where the libraries of PROGRAMS come from.
LIBRARY_PACKAGES = (
    "libc6", "libcrypt1", "libtomcrypt1", "libtommath1", "libgmp10", "zlib1g", "libext2fs2", "libcom-err2",
    "libblkid1", "libuuid1", "libpam0g", "libaudit1", "libcap-ng0",
)  # fmt: skip
# These need root's rights or exist in the static BusyBox only; it drops the rights for everything else.
_SUID_APPLETS = (
    "su",
    "login",
    "passwd",
    "ping",
    "ping6",
    "traceroute",
    "traceroute6",
    "sulogin",
    "crond",
    "tc",
)
_LINKS = {
    "bin": "usr/bin",
    "sbin": "usr/bin",
    "lib": "usr/lib",
    "lib64": "usr/lib64",
    "usr/sbin": "bin",
    "usr/bin/ssh": "dbclient",
    "usr/lib64/ld-linux-x86-64.so.2": "../lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
    "etc/mtab": "/proc/mounts",
    "etc/resolv.conf": "/run/resolv.conf",
    "var/run": "/run",
}
_FOLDERS = (
    "usr/bin", "usr/lib64", LIBRARIES, "etc/dropbear", "dev", "proc", "sys", "run", "tmp", "mnt", "root",
    "home/cirros", "var/lib/cumulet", "var/log", "usr/local/bin",
)  # fmt: skip
MODULES = (
    "virtio_pci", "virtio_blk", "virtio_scsi", "sd_mod", "ata_piix", "sr_mod", "isofs", "vfat", "nls_cp437",
    "nls_ascii", "nls_utf8", "virtio_net",
    "evdev", "button", "virtio_rng", "virtio_balloon", "virtio_console",
)  # fmt: skip
OWNERS = {"home/cirros": 1000}
MODES = {
    "usr/bin/busybox-suid": 0o4755,
    "usr/bin/doas": 0o4755,
    "etc/shadow": 0o600,
    "etc/doas.conf": 0o600,
    "root": 0o700,
    "tmp": 0o1777,
}


def lay_out(tree: Path, packages: Path, modules: Modules) -> None:
    """Fill `tree`; `packages` holds one folder per unpacked package."""
    for name in _FOLDERS:
        (tree / name).mkdir(parents=True, exist_ok=True)
    for name, target in _LINKS.items():
        (tree / name).symlink_to(target)
    for name, (package, inside) in PROGRAMS.items():
        _place(packages / package / inside, tree / name, 0o755)
    _libraries(tree, packages, (tree / name for name in PROGRAMS))
    _applets(tree)
    _modules(tree, modules)
    own = HERE / "rootfs"
    for path in sorted(own.rglob("*")):
        if path.is_file():
            script = path.read_bytes()[:2] == b"#!"
            _place(path, tree / path.relative_to(own), 0o755 if script else 0o644)


def _libraries(tree: Path, packages: Path, programs: Iterable[Path]) -> None:
    offered = {
        path.name: path
        for package in LIBRARY_PACKAGES
        for path in sorted((packages / package).rglob("*.so*"))
        if path.is_file() and path.parent.name == "x86_64-linux-gnu"
    }
    waiting = [
        "ld-linux-x86-64.so.2",
        "libresolv.so.2",
        *(name for path in programs for name in needed(path)),
    ]
    done: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in done:
            continue
        if name not in offered:
            raise ImageBuildError(f"no package on the list brings the library {name}")
        done.add(name)
        _place(offered[name].resolve(), tree / LIBRARIES / name, 0o755)
        waiting += needed(offered[name])


def _applets(tree: Path) -> None:
    names = run([str(tree / "usr/bin/busybox"), "--list"]).split()
    for name in {*names, *_SUID_APPLETS}:
        link = tree / "usr/bin" / name
        if not link.exists() and not link.is_symlink():
            link.symlink_to("busybox-suid" if name in _SUID_APPLETS else "busybox")
    (tree / "usr/bin/init").unlink(missing_ok=True)
    (tree / "usr/bin/init").symlink_to("busybox")


def _modules(tree: Path, modules: Modules) -> None:
    names = modules.closure(MODULES)
    home = tree / "usr/lib/modules" / modules.version
    for name in names:
        _place(modules.path(name), home / modules.relative(name), 0o644)
    for name, text in modules.index(names).items():
        (home / name).write_text(text)


def _place(source: Path, target: Path, mode: int) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(mode)
