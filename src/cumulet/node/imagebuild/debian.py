"""Builds a full Debian 12 guest image with the real cloud-init, by mmdebstrap.

Needs root rights (a chroot). Never touches the running system's packages.
"""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

from cumulet.node.imagebuild import debs, disk
from cumulet.node.imagebuild.commands import ImageBuildError, run

Say = Callable[[str], None]

RELEASE = "bookworm"
LABEL = "cumulet-root"
KERNEL_ARGUMENTS = f"root=LABEL={LABEL} ro console=tty1 console=ttyS0,115200"
PACKAGES = (
    "linux-image-cloud-amd64", "systemd-sysv", "cloud-init", "cloud-guest-utils", "openssh-server",
    "iproute2", "iputils-ping", "ifupdown", "isc-dhcp-client", "net-tools", "netbase", "sudo",
    "ca-certificates", "curl", "e2fsprogs", "fdisk", "udev", "dbus", "acpid",
)  # fmt: skip
_LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*")
# Every guest makes these for itself.
_PER_GUEST = ("etc/ssh/ssh_host_*", "var/lib/cloud/*", "var/log/*.log", "etc/hostname", "boot/System.map*")


def build_debian(out: Path, work: Path, say: Say) -> Path:
    """Build the image at `out` (qcow2), with `work` for intermediate files (about 1.5 GB); returns `out`.

    Raises ImageBuildError when a program is missing, not run as root, or a package cannot be had.
    `out` appears only when it is whole.
    """
    if os.geteuid() != 0:
        raise ImageBuildError("building the Debian image needs root rights (mmdebstrap makes a chroot)")
    work.mkdir(parents=True, exist_ok=True)
    tree = work / "debian"
    say("installing Debian into a folder (some minutes)")
    _install(tree, work)
    loader = debs.fetch(["syslinux-common"], work / "debs")["syslinux-common"]
    debs.unpack(loader, work / "syslinux")
    say("writing file systems")
    menu = work / "syslinux.cfg"
    menu.write_text(disk.boot_menu(KERNEL_ARGUMENTS))
    kernel, initrd = _one(tree, "boot/vmlinuz-*"), _one(tree, "boot/initrd.img-*")
    disk.make_boot(work / "boot.img", {"vmlinuz": kernel, "initrd.img": initrd, "syslinux.cfg": menu})
    _strip(tree)
    disk.make_root(work / "root.img", tree, LABEL, None, {})
    half = out.with_name(out.name + ".part")
    mbr = work / "syslinux/usr/lib/syslinux/mbr/mbr.bin"
    disk.make_disk(half, work / "boot.img", work / "root.img", mbr, compress=True)
    half.replace(out)
    shutil.rmtree(tree)
    say(f"built {out} ({out.stat().st_size / 1e6:.0f} MB)")
    return out


def _install(tree: Path, work: Path) -> None:
    if tree.exists():
        shutil.rmtree(tree)
    # Copied so that the files in the guest belong to root whoever owns ours.
    overlay = work / "overlay"
    if overlay.exists():
        shutil.rmtree(overlay)
    shutil.copytree(Path(__file__).parent / "debian_rootfs/rootfs", overlay, copy_function=shutil.copyfile)
    for path in (overlay, *overlay.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    options = ["--variant=apt", "--mode=root", f"--include={','.join(PACKAGES)}"]
    options += ['--aptopt=Apt::Install-Recommends "false"', "--dpkgopt=force-confold"]
    options += [f"--dpkgopt=path-exclude={pattern}" for pattern in _LEFT_OUT]
    options += ["--dpkgopt=path-include=/usr/share/doc/*/copyright"]
    options += [f"--essential-hook=sync-in {shlex.quote(str(overlay))} /"]
    run(["mmdebstrap", *options, RELEASE, str(tree)], timeout=1800)


def _strip(tree: Path) -> None:
    for pattern in _PER_GUEST:
        for path in tree.glob(pattern):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
    (tree / "etc/hostname").write_text("debian\n")
    # Empty, not "uninitialized": the latter makes systemd ask first-boot questions on the console and wait.
    (tree / "etc/machine-id").write_text("")
    # The kernel and initrd stand on the boot partition; a second copy would double the image.
    for pattern in ("boot/vmlinuz-*", "boot/initrd.img-*", "vmlinuz*", "initrd.img*"):
        for path in tree.glob(pattern):
            path.unlink()


def _one(tree: Path, pattern: str) -> Path:
    found = sorted(tree.glob(pattern))
    if len(found) != 1:
        raise ImageBuildError(f"expected one {pattern} in the Debian tree, found {len(found)}")
    return found[0]
