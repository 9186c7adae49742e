"""What images can be built, what building needs on this machine, what to tell the image service about them.

Keeps built images in a cache folder. Never uploads anything.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cumulet.node.imagebuild import debian, tiny
from cumulet.node.imagebuild.commands import ImageBuildError

Say = Callable[[str], None]

KINDS = ("tiny", "debian")

_NEEDED = {
    "tiny": ("apt", "dpkg", "e2fsprogs", "mtools", "syslinux", "qemu-utils"),
    "debian": ("apt", "dpkg", "e2fsprogs", "mtools", "syslinux", "qemu-utils", "mmdebstrap"),
}
_PROPERTIES: dict[str, dict[str, str | int]] = {
    "tiny": {"min_ram": 96, "min_disk": 1, "os_type": "linux", "os_distro": "debian", "os_version": "12",
             "architecture": "x86_64", "os_admin_user": "cirros"},
    "debian": {"min_ram": 384, "min_disk": 2, "os_type": "linux", "os_distro": "debian", "os_version": "12",
               "architecture": "x86_64", "os_admin_user": "debian"},
}  # fmt: skip


def packages_needed(kind: str) -> list[str]:
    """Debian packages that have to be installed on this machine to build an image of this kind."""
    return list(_NEEDED[_known(kind)])


def properties(kind: str) -> dict[str, str | int]:
    """Image properties for the upload; min_ram in MiB, min_disk in GiB, the disk format is qcow2."""
    return dict(_PROPERTIES[_known(kind)])


def build(kind: str, out: Path, work: Path, say: Say) -> Path:
    """Build an image of this kind at `out`; raises ImageBuildError."""
    builder = tiny.build_tiny if _known(kind) == "tiny" else debian.build_debian
    return builder(out, work, say)


def cached_tiny(cache_dir: Path, say: Say) -> Path:
    """The tiny image from the cache, built when our files or the package versions have changed.

    Callers side by side wait for one build. Older images go when a new one is made: copy an image that has to
    last.
    """
    cache_dir.mkdir(parents=True, exist_ok=True)
    with _locked(cache_dir / "lock"):
        image = cache_dir / f"tiny-{tiny.fingerprint()}.qcow2"
        if image.exists():
            return image
        work = cache_dir / "work"
        tiny.build_tiny(image, work, say)
        for part in ("packages", "root"):
            shutil.rmtree(work / part)
        for part in ("boot.img", "root.img", "initrd.img", "syslinux.cfg"):
            (work / part).unlink()
        for old in cache_dir.glob("tiny-*.qcow2"):
            if old != image:
                old.unlink()
        return image


def _known(kind: str) -> str:
    if kind not in KINDS:
        raise ImageBuildError(f"no image kind {kind!r}; there are {', '.join(KINDS)}")
    return kind


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
