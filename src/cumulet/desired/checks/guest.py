"""What a guest's spec may say, looked at before anything is done about it.

The controller is no authority on what this host does as root: ids become paths and names, sizes become files, texts
become arguments. What is no guest of ours by its look is refused whole; the guest that is there stays as it is. Must
run nothing and open nothing.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping

from cumulet.desired import simulation, texts
from cumulet.desired.checks import fields, port
from cumulet.desired.guest import BINARY, BootImage, Guest, LooseImage
from cumulet.desired.port import Interface, Plug

MOST_BYTES = 1 << 46
"""Of an image: what the largest disk has."""
DISK_FORMATS = frozenset({"raw", "qcow2", "vmdk", "vdi", "vhd", "vhdx", "iso", "ami", "aki", "ari", "ploop"})
"""Glance's. Which of them this host can boot, the cache of images says."""

_NAME = re.compile(r"instance-[0-9a-f]{8,16}")
_SHA512 = re.compile(r"[0-9a-f]{128}")
_FILE = re.compile(r"[0-9A-Za-z_][0-9A-Za-z._-]{0,63}")
_MOST_COUNT = 2**31 - 1
_MOST_VCPUS, _MOST_MEMORY_MB, _MOST_DISK_GB = 255, 1 << 24, 1 << 16
_MOST_PORTS = 128
_MOST_FILES, _DEEPEST, _FILE_BYTES, _DRIVE_BYTES = 256, 8, 4 << 20, 16 << 20
_MOST_PROPERTIES, _PROPERTIES_LETTERS, _COMMAND_LINE = 1000, 1 << 20, 2000


def on_host(spec: Guest) -> None:
    """Raises ValueError, which says what is wrong, for what is no guest of this cloud's making."""
    texts.uuid(spec.id)
    if not _NAME.fullmatch(spec.name):
        raise ValueError(f"not a domain's name: {texts.shown(spec.name)}")
    for text in (spec.project_id, spec.user_id):
        fields.id_of_owner(text)
    for text in (spec.display_name, spec.flavor_name):
        if len(text) > texts.NAME_LIMIT:
            raise ValueError(f"a name of {len(text)} letters")
    _sizes(spec)
    if spec.image is not None:
        _image(spec.image)
    ports: list[Plug | Interface] = [*spec.ports, *spec.interfaces]
    if len(ports) > _MOST_PORTS:
        raise ValueError(f"{len(ports)} ports")
    for each in spec.ports:
        port.card(each)
    for interface in spec.interfaces:
        port.interface(interface)
    if len({each.port_id[:11] for each in ports}) < len(ports):
        raise ValueError("two ports with the same device")
    if spec.config_drive is not None:
        _drive(spec.config_drive)
    simulation.deeds(f"{name}={text}" for name, text in spec.simulated.items())


def check(spec: Guest) -> None:
    """A guest, with its ports and its server's record."""
    on_host(spec)
    if not spec.project_id:
        raise ValueError("nobody owns it")
    for interface in spec.interfaces:
        port.with_record(interface)
    record = spec.record
    if record is None:
        return
    for owner, id in ((record.project, spec.project_id), (record.user, spec.user_id)):
        fields.owner(owner)
        if owner.id != id:
            raise ValueError("its record is somebody else's")
    names = (record.description, record.hostname, record.zone, record.flavor_id, record.key_name, record.locked_reason)
    fields.named(*names, *record.meta.values(), *record.meta, *record.extra_specs.values(), *record.extra_specs)
    for text, most in (
        (record.seed, 64), (record.reservation_id, 64), (record.key_type or "", 8), (record.disk_config, 8),
        (record.locked_by or "", 16), *((tag, 60) for tag in record.tags),
    ):  # fmt: skip
        if len(text) > most:
            raise ValueError(f"a text of {len(text)} letters")
    for ip in (record.access_ip_v4, record.access_ip_v6):
        if ip:
            texts.address(ip)
    texts.whole(record.launch_index, 0, 2**31 - 1)
    for file in record.personality:
        if set(file) != {"path", "contents"} or not all(isinstance(text, str) for text in file.values()):
            raise ValueError("not an injected file")


def _sizes(spec: Guest) -> None:
    for what, value, least, most in (
        ("vcpus", spec.vcpus, 1, _MOST_VCPUS),
        ("memory_mb", spec.memory_mb, 1, _MOST_MEMORY_MB),
        ("root_gb", spec.root_gb, 0, _MOST_DISK_GB),
        ("ephemeral_gb", spec.ephemeral_gb, 0, _MOST_DISK_GB),
        ("swap_mb", spec.swap_mb, 0, _MOST_MEMORY_MB),
        ("hard_reboots", spec.hard_reboots, 0, _MOST_COUNT),
        ("soft_reboots", spec.soft_reboots, 0, _MOST_COUNT),
    ):
        if not least <= value <= most:
            raise ValueError(f"{what} is {value}, not from {least} to {most}")


def _image(image: BootImage) -> None:
    if image.disk_format not in DISK_FORMATS:
        raise ValueError(f"not a disk format: {texts.shown(image.disk_format)}")
    for each in (image, image.kernel, image.ramdisk):
        if each is not None:
            _content(each)
    properties = image.properties
    if len(properties) > _MOST_PROPERTIES or sum(map(len, properties.values())) > _PROPERTIES_LETTERS:
        raise ValueError("the image has too many properties")
    line = properties.get("os_command_line", "")
    if not line.isprintable() or len(line) > _COMMAND_LINE:
        raise ValueError(f"not a kernel's command line: {texts.shown(line)}")


def _content(image: BootImage | LooseImage) -> None:
    texts.uuid(image.id)
    if not _SHA512.fullmatch(image.os_hash_value):
        raise ValueError(f"not a SHA-512 sum: {texts.shown(image.os_hash_value)}")
    if not 0 <= image.size <= MOST_BYTES:
        raise ValueError(f"an image of {image.size} bytes")


def _drive(files: Mapping[str, str]) -> None:
    if len(files) > _MOST_FILES:
        raise ValueError(f"a config drive of {len(files)} files")
    total = 0
    for path, content in files.items():
        parts = path.split("/")
        if len(parts) > _DEEPEST or not all(_FILE.fullmatch(part) for part in parts):
            raise ValueError(f"not a path on a config drive: {texts.shown(path)}")
        size = _size(path, content)
        total += size
        if size > _FILE_BYTES or total > _DRIVE_BYTES:
            raise ValueError(f"a config drive with {size} bytes in {path}, {total} in all")
    if any(f"{path}/" in {other[: len(path) + 1] for other in files} for path in files):
        raise ValueError("a config drive with a file that is a folder, too")


def _size(path: str, content: str) -> int:
    if not content.startswith(BINARY):
        return len(content.encode("utf-8", "strict"))
    try:
        return len(base64.b64decode(content.removeprefix(BINARY), validate=True))
    except binascii.Error:
        raise ValueError(f"not base64: {path}") from None
