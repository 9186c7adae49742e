"""The cache of base images on this host: fetched once, checked, never written again.

An image comes from a user, so its content decides nothing unless it is what its description says: the checksum is
checked first, then the format, then that the format refers to no other file; only then may qemu-img open it, within
bounds and with the format named. Must never let QEMU or qemu-img guess a format.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, cast

from msgspec import Struct
from oslo_utils.imageutils import format_inspector

from cumulet.desired.guest import BootImage, LooseImage
from cumulet.node import users
from cumulet.node.guest import bounded, qcow2
from cumulet.node.guest.errors import GuestError, ImageRefused, from_os_error

LOG = logging.getLogger(__name__)
Fetch = Callable[[str], Iterable[bytes]]

BARE = frozenset({"aki", "ari"})
CONVERTED = {"vmdk": "vmdk", "vdi": "vdi", "vhd": "vpc", "vhdx": "vhdx"}  # Glance's name → qemu-img's
_MATCHES: dict[str, tuple[frozenset[str], ...]] = {
    "raw": (frozenset({"raw"}), frozenset({"gpt"})),
    "ami": (frozenset({"raw"}), frozenset({"gpt"})),
    "aki": (frozenset({"raw"}), frozenset({"gpt"})),
    "ari": (frozenset({"raw"}), frozenset({"gpt"})),
    "iso": (frozenset({"iso"}), frozenset({"iso", "gpt"})),
}
_ID = re.compile(r"[0-9A-Za-z-]{1,64}")
_SPARE_BYTES = 64 << 20
_LOOSE_BYTES = 512 << 20
_INSPECT = bounded.Bounds(cpu_s=20, wall_s=30, file_bytes=0)


class BaseImage(Struct, frozen=True):
    """A checked image in the cache; `format` is raw or qcow2 and is ours, not the image's word."""

    path: Path
    format: str
    virtual_size: int


class ImageCache:
    """Checked base images in `folder`, one file per image id and checksum: root's, readable by whoever knows the name.

    `unprivileged`: qemu-img, which parses strangers' files, runs as a user without rights. For root only.
    """

    def __init__(self, folder: Path, *, unprivileged: bool = False) -> None:
        self._folder = folder
        self._unprivileged = unprivileged
        self._locks: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()

    def ensure_base(self, spec: BootImage, fetch: Fetch) -> BaseImage:
        """The checked image, fetched when it is not here yet; callers that come meanwhile wait for it.

        `fetch` gives the bytes of an image id. Raises ImageRefused, and GuestError when the host cannot keep it.
        """
        stem = f"{spec.id}-{_checksum(spec)[:16]}"
        return self._once(stem, lambda: self._bring(spec, stem, fetch))

    def ensure_loose(self, spec: LooseImage, fetch: Fetch) -> Path:
        """A kernel or ramdisk, checked as the image itself is: it must be no disk image and no larger than 512 MiB.

        Kept apart from base images: it may have the signature of a boot sector, which no disk may.
        """
        stem = f"{spec.id}-loose{_checksum(spec)[:16]}"
        if spec.size > _LOOSE_BYTES:
            raise ImageRefused("The image's kernel or ramdisk is too large.")
        return self._once(stem, lambda: self._bring_loose(spec, stem, fetch)).path

    def _once(self, stem: str, bring: Callable[[], None]) -> BaseImage:
        with self._guard:
            lock = self._locks.setdefault(stem, threading.Lock())
        with lock:
            try:
                found = self._find(stem)
                if found is None:
                    self._folder.mkdir(parents=True, exist_ok=True)
                    _open_to_guests(self._folder, 0o711)
                    bring()
                    found = self._find(stem)
                if found is not None:
                    _open_to_guests(self._folder, 0o711)
                    _open_to_guests(found.path, 0o644)
            except OSError as error:
                raise from_os_error(error, f"image {stem}") from error
            if found is None:
                raise GuestError("The host could not keep the image.", stem)
            return found

    def sweep(self, keep_ids: Iterable[str]) -> list[str]:
        """Remove every cached image whose id is not in `keep_ids`, and what a crash left; the names removed.

        The caller names every image that a disk on this host is built upon.
        """
        keep = set(keep_ids)
        removed = []
        for path in self._folder.glob("*") if self._folder.is_dir() else ():
            stem = path.name.lstrip(".").split(".")[0]
            with self._guard:
                lock = self._locks.setdefault(stem, threading.Lock())
            if (stem.rsplit("-", 1)[0] in keep and not path.name.startswith(".")) or not lock.acquire(False):
                continue
            try:
                path.unlink(missing_ok=True)
                removed.append(path.name)
            finally:
                lock.release()
        return removed

    def _find(self, stem: str) -> BaseImage | None:
        for file_format in ("qcow2", "raw"):
            path = self._folder / f"{stem}.{file_format}"
            if path.exists():
                return BaseImage(path, file_format, qcow2.virtual_size(path, file_format))
        return None

    def _bring_loose(self, spec: LooseImage, stem: str, fetch: Fetch) -> None:
        fetched = self._folder / f".{stem}.fetched"
        try:
            _check_format("aki", _download(spec, fetched, fetch))
            fetched.rename(self._folder / f"{stem}.raw")
        finally:
            fetched.unlink(missing_ok=True)

    def _bring(self, spec: BootImage, stem: str, fetch: Fetch) -> None:
        fetched = self._folder / f".{stem}.fetched"
        converted = self._folder / f".{stem}.converted"
        try:
            inspected = _download(spec, fetched, fetch)
            _check_format(spec.disk_format, inspected)
            ready, file_format = fetched, "qcow2" if spec.disk_format == "qcow2" else "raw"
            user = users.for_once() if self._unprivileged else None
            if spec.disk_format in CONVERTED:
                _lend(fetched, user, 0o400)
                _convert(fetched, CONVERTED[spec.disk_format], converted, user)
                ready, file_format = converted, "qcow2"
            if file_format == "qcow2":
                _lend(ready, user, 0o400)
                _check_qcow2(ready, user)
            if ready is converted:
                with open(ready, "rb") as done:
                    os.fsync(done.fileno())
            if user is not None:
                os.chown(ready, 0, 0, follow_symlinks=False)
            os.chmod(ready, 0o644)
            ready.rename(self._folder / f"{stem}.{file_format}")
        finally:
            fetched.unlink(missing_ok=True)
            converted.unlink(missing_ok=True)


class _Measured:
    """The bytes of an image as they pass: counted, digested, refused beyond `most`."""

    def __init__(self, chunks: Iterable[bytes], most: int) -> None:
        self._chunks = chunks
        self._most = most
        self.size = 0
        self.digest = hashlib.sha512()

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self.size += len(chunk)
            if self.size > self._most:
                raise ImageRefused("The image is larger than its description says.")
            self.digest.update(chunk)
            yield chunk


def _save(measured: _Measured, path: Path) -> list[Any]:
    """Write the bytes to `path`, on disk when this returns; the inspectors that recognise them."""
    # The inspector only iterates over its source; a file is what its signature happens to say.
    wrapper = format_inspector.InspectWrapper(cast(Any, iter(measured)))
    with open(path, "wb") as out:
        for chunk in wrapper:
            out.write(chunk)
        out.flush()
        os.fsync(out.fileno())
    return list(wrapper.formats or [])


def _checksum(spec: BootImage | LooseImage) -> str:
    if not _ID.fullmatch(spec.id) or not re.fullmatch(r"[0-9a-f]{128}", spec.os_hash_value):
        raise ImageRefused("The image has no valid id or sha512 checksum.")
    return spec.os_hash_value


def _download(spec: BootImage | LooseImage, path: Path, fetch: Fetch) -> list[Any]:
    measured = _Measured(fetch(spec.id), spec.size)
    found = _save(measured, path)
    if measured.size != spec.size:
        raise ImageRefused(f"The image is incomplete: {measured.size} of {spec.size} bytes.")
    if measured.digest.hexdigest() != spec.os_hash_value:
        raise ImageRefused("The image's checksum does not match.")
    return found


def _check_format(declared: str, found: list[Any]) -> None:
    if declared not in _MATCHES and declared != "qcow2" and declared not in CONVERTED:
        raise ImageRefused(f"Disk format {declared[:32]} is not supported by this host.")
    names = frozenset(str(one) for one in found)
    if names not in _MATCHES.get(declared, (frozenset({declared}),)):
        seen = " and ".join(sorted(names)) or "unknown"
        raise ImageRefused(f"The image's content is {seen}, not {declared} as its disk format says.")
    if declared in BARE:
        return  # a Linux kernel has a boot sector's signature and no partitions
    for one in found:
        if str(one) == "gpt" and declared == "iso":
            continue  # the partitions of a hybrid image are the image's own affair: we present a CD
        try:
            one.safety_check()
        except format_inspector.SafetyCheckFailed as failed:
            reasons = ", ".join(sorted(failed.failures))
            raise ImageRefused(f"The image is not safe to use ({declared}: {reasons}).", str(failed)) from failed
        except format_inspector.ImageFormatError as broken:
            raise ImageRefused(f"The image is not a valid {declared} file.", str(broken)) from broken


def _open_to_guests(path: Path, mode: int) -> None:
    if path.stat().st_mode & 0o7777 != mode:
        path.chmod(mode)


def _lend(path: Path, user: users.User | None, mode: int) -> None:
    """Let the tool's user have a file of ours while it works; the folder stays closed to it."""
    if user is not None:
        users.give(path, user, mode)


def _convert(source: Path, source_format: str, target: Path, user: users.User | None) -> None:
    room = shutil.disk_usage(target.parent).free - _SPARE_BYTES
    if room <= 0:
        raise GuestError("The host has no space left to convert the image.")
    bounds = bounded.Bounds(cpu_s=300, wall_s=900, file_bytes=room)
    target.unlink(missing_ok=True)
    target.touch(0o600)
    _lend(target, user, 0o600)
    command = ["qemu-img", "convert", "-U", "-f", source_format, "-O", "qcow2", str(source), str(target)]
    try:
        bounded.run(command, bounds, user)
    except bounded.CommandFailed as failed:
        if "No space left" in failed.text or "too large" in failed.text or failed.code == -25:  # SIGXFSZ
            raise GuestError("The host has no space left to convert the image.", str(failed)) from failed
        raise ImageRefused("The image could not be converted.", str(failed)) from failed


def _check_qcow2(path: Path, user: users.User | None) -> None:
    """A second opinion from QEMU itself, which sees more than the header; and that its tables are sound."""
    try:
        command = ["qemu-img", "info", "--force-share", "-f", "qcow2", "--output=json", str(path)]
        text = bounded.run(command, _INSPECT, user)
        facts = json.loads(text)
    except bounded.CommandFailed as failed:
        raise ImageRefused("The image is not a valid qcow2 file.", str(failed)) from failed
    special = facts.get("format-specific", {}).get("data", {})
    if "backing-filename" in facts or special.get("data-file") or facts.get("encrypted"):
        raise ImageRefused("The image is not safe to use (qcow2: it refers to another file or is encrypted).")
    if not 0 < int(facts.get("virtual-size", 0)) <= qcow2.MAX_SIZE:
        raise ImageRefused("The image's virtual size is not supported.")
    try:
        bounded.run(["qemu-img", "check", "--force-share", "-f", "qcow2", str(path)], _INSPECT, user)
    except bounded.CommandFailed as failed:
        if failed.code == 3:  # clusters that nobody uses are harmless
            return
        raise ImageRefused("The image is damaged.", str(failed)) from failed
