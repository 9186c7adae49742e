"""Libvirt's description of a guest, and what we read back from it.

Built as a tree and serialised once: a name or an address is only ever text of an element or an attribute. Must never
leave a disk's format to be guessed.
"""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

from msgspec import Struct

from cumulet import __version__
from cumulet.desired import texts
from cumulet.desired.guest import Guest
from cumulet.desired.port import Plug
from cumulet.node.guest.errors import GuestError
from cumulet.node.guest.images import BaseImage
from cumulet.node.users import User

COMMAND_LINE = "root=/dev/vda console=tty0 console=ttyS0"  # of a bare file system with a kernel beside it
NOVA = "http://openstack.org/xmlns/libvirt/nova/1.1"
OURS = "urn:cumulet:guest:1"
_NAME = re.compile(r"instance-[0-9a-f]{8,16}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", re.IGNORECASE)
_CONTROL = re.compile(r"[^\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

# RAM of the guest up to (MiB) → translation cache (MiB): QEMU's own choice costs up to 1 GiB per guest, and less
# than 32 MiB makes the smallest Linux guest thrash.
_TRANSLATION_CACHE = ((128, 32), (256, 64), (1024, 128))
_TRANSLATION_CACHE_MOST = 256

ET.register_namespace("nova", NOVA)
ET.register_namespace("cumulet", OURS)


class Disk(Struct, frozen=True):
    """A disk as the domain needs it. `format` is raw or qcow2; a `cdrom` is read only; `below` is what it is an overlay
    on, said by us since the file itself is the guest's to write."""

    path: Path
    format: str
    cdrom: bool = False
    below: BaseImage | None = None


class Place(Struct, frozen=True):
    """Where on this host the guest's things are, and who it belongs to. `owner` marks domains as this cloud's; `user`
    is whom its QEMU runs as."""

    owner: str
    folder: Path
    vnc_socket: Path
    user: User
    virt_type: str = "qemu"


class Boot(Struct, frozen=True):
    """What it boots from: disks (the first one first), config drive, and a kernel for bare file systems."""

    disks: list[Disk]
    seed: Path | None = None
    kernel: Path | None = None
    ramdisk: Path | None = None
    command_line: str = COMMAND_LINE


def check(spec: Guest) -> None:
    """Refuse a guest whose names could not be names of ours. Raises GuestError."""
    if not _NAME.fullmatch(spec.name) or not _UUID.fullmatch(spec.id):
        raise GuestError("The server has an invalid name or id.", f"{spec.name!r} {spec.id!r}")
    if not 1 <= spec.vcpus <= 255 or spec.memory_mb < 1 or min(spec.root_gb, spec.swap_mb, spec.ephemeral_gb) < 0:
        raise GuestError("The flavor's sizes are not supported.", f"{spec.vcpus} {spec.memory_mb} {spec.root_gb}")
    for interface in spec.ports:
        if not _UUID.fullmatch(interface.port_id) or not _MAC.fullmatch(interface.mac):
            raise GuestError("A port has an invalid id or MAC address.", f"{interface.port_id!r} {interface.mac!r}")


def render(spec: Guest, place: Place, boot: Boot) -> str:
    """The domain's XML; spec must have passed check()."""
    root = ET.Element("domain", type=place.virt_type)
    _text(root, "name", spec.name)
    _text(root, "uuid", spec.id)
    _metadata(root, spec, place)
    _text(root, "memory", str(spec.memory_mb), unit="MiB")
    _text(root, "vcpu", str(spec.vcpus), placement="static")
    _identity(root, spec)
    _firmware(root, boot)
    _processor(root, spec, place)
    for when, what in (("on_poweroff", "destroy"), ("on_reboot", "restart"), ("on_crash", "destroy")):
        _text(root, when, what)
    _devices(root, spec, place, boot)
    # Libvirt must not give files away itself: a shared base image would become this guest's own.
    label = _text(root, "seclabel", type="static", model="dac", relabel="no")
    _text(label, "label", f"+{place.user.uid}:+{place.user.gid}")
    return _one_line(ET.tostring(root, encoding="unicode"))


def _one_line(xml: str) -> str:
    """The XML itself. Names have lost their control characters; one that came another way, or as an escape in an
    attribute, is refused."""
    if "\n" in xml or "&#" in xml or not texts.plain(xml):
        raise GuestError("The server has a value that cannot be told to the hypervisor.", "a control character")
    return xml


def tap_name(port_id: str) -> str:
    """The device that a port has on this host."""
    return f"tap{port_id[:11]}"


def translation_cache_mib(memory_mb: int) -> int:
    """Size of QEMU's translation cache for a guest of that much RAM."""
    return next((cache for most, cache in _TRANSLATION_CACHE if memory_mb <= most), _TRANSLATION_CACHE_MOST)


class Mark(Struct, frozen=True):
    """Our own element in the metadata: under which counters this QEMU was started."""

    owner: str
    hard_reboots: int
    soft_reboots: int


def read_mark(element: str) -> Mark | None:
    """The mark in the text of our metadata element, None when it is not one of ours."""
    try:
        node = ET.fromstring(element)
        return Mark(node.attrib["owner"], int(node.attrib["hard_reboots"]), int(node.attrib["soft_reboots"]))
    except (ET.ParseError, KeyError, ValueError):
        return None


# ---- parts of the tree -------------------------------------------------------------------------------------


def _text(parent: ET.Element, tag: str, text: str | None = None, **attributes: str) -> ET.Element:
    child = ET.SubElement(parent, tag, attributes)
    if text is not None:
        child.text = _CONTROL.sub("", text)
    return child


def _metadata(root: ET.Element, spec: Guest, place: Place) -> None:
    metadata = _text(root, "metadata")
    instance = _text(metadata, f"{{{NOVA}}}instance")
    _text(instance, f"{{{NOVA}}}package", version=__version__)
    _text(instance, f"{{{NOVA}}}name", spec.display_name)
    flavor = _text(instance, f"{{{NOVA}}}flavor", name=_CONTROL.sub("", spec.flavor_name))
    for tag, number in (
        ("memory", spec.memory_mb),
        ("disk", spec.root_gb),
        ("swap", spec.swap_mb),
        ("ephemeral", spec.ephemeral_gb),
        ("vcpus", spec.vcpus),
    ):
        _text(flavor, f"{{{NOVA}}}{tag}", str(number))
    owner = _text(instance, f"{{{NOVA}}}owner")
    _text(owner, f"{{{NOVA}}}user", uuid=spec.user_id)
    _text(owner, f"{{{NOVA}}}project", uuid=spec.project_id)
    if spec.image is not None:
        _text(instance, f"{{{NOVA}}}root", type="image", uuid=spec.image.id)
    counters = {"hard_reboots": str(spec.hard_reboots), "soft_reboots": str(spec.soft_reboots)}
    ET.SubElement(metadata, f"{{{OURS}}}guest", {"owner": place.owner, **counters})


def _identity(root: ET.Element, spec: Guest) -> None:
    """cloud-init takes the product name as the sign that it runs on OpenStack."""
    system = _text(_text(root, "sysinfo", type="smbios"), "system")
    for name, value in (
        ("manufacturer", "OpenStack Foundation"),
        ("product", "OpenStack Nova"),
        ("version", __version__),
        ("serial", spec.id),
        ("uuid", spec.id),
        ("family", "Virtual Machine"),
    ):
        _text(system, "entry", value, name=name)


def _firmware(root: ET.Element, boot: Boot) -> None:
    node = _text(root, "os")
    _text(node, "type", "hvm", arch="x86_64", machine="pc")
    if boot.kernel is not None:
        _text(node, "kernel", str(boot.kernel))
        if boot.ramdisk is not None:
            _text(node, "initrd", str(boot.ramdisk))
        _text(node, "cmdline", boot.command_line)
    _text(node, "smbios", mode="sysinfo")


def _processor(root: ET.Element, spec: Guest, place: Place) -> None:
    features = _text(root, "features")
    _text(features, "acpi")
    _text(features, "apic")
    if place.virt_type == "qemu":
        cache = str(translation_cache_mib(spec.memory_mb))
        _text(_text(features, "tcg"), "tb-cache", cache, unit="MiB")
        _text(root, "cpu", mode="maximum", check="none")
    else:
        _text(root, "cpu", mode="host-passthrough", check="none")
    clock = _text(root, "clock", offset="utc")
    _text(clock, "timer", name="pit", tickpolicy="delay")
    _text(clock, "timer", name="rtc", tickpolicy="catchup")
    _text(clock, "timer", name="hpet", present="no")


def _devices(root: ET.Element, spec: Guest, place: Place, boot: Boot) -> None:
    devices = _text(root, "devices")
    order = 0
    for index, disk in enumerate(boot.disks):
        name = f"{'sd' if disk.cdrom else 'vd'}{chr(97 + index)}"
        node = _disk(devices, disk, name)
        if index == 0 and boot.kernel is None:
            order += 1
            _text(node, "boot", order=str(order))
    if boot.seed is not None:
        _disk(devices, Disk(boot.seed, "raw", cdrom=True), "hdd")
    for interface in spec.ports:
        _interface(devices, interface)
    _text(devices, "controller", type="usb", model="none")
    serial = _text(devices, "serial", type="pty")
    # Appending lets the file be shortened from outside while QEMU writes into it.
    _text(serial, "log", file=str(place.folder / "console.log"), append="on")
    _text(serial, "target", port="0")
    screen = _text(devices, "graphics", type="vnc")
    _text(screen, "listen", type="socket", socket=str(place.vnc_socket))
    _text(_text(devices, "video"), "model", type="vga", vram="16384", heads="1", primary="yes")
    rng = _text(devices, "rng", model="virtio")
    _text(rng, "backend", "/dev/urandom", model="random")
    _text(_text(devices, "memballoon", model="virtio"), "stats", period="10")


def _disk(devices: ET.Element, disk: Disk, target: str) -> ET.Element:
    node = _text(devices, "disk", type="file", device="cdrom" if disk.cdrom else "disk")
    # The host's cache is what makes the hundredth guest of one base image boot without reading it again.
    _text(node, "driver", name="qemu", type=disk.format, cache="writeback", discard="unmap")
    _text(node, "source", file=str(disk.path))
    if disk.below is not None:
        # Without it libvirt, as root, would read the disk's own word for what lies below.
        below = _text(node, "backingStore", type="file")
        _text(below, "format", type=disk.below.format)
        _text(below, "source", file=str(disk.below.path))
        _text(below, "backingStore")
    name, bus = (target.replace("sd", "hd"), "ide") if disk.cdrom else (target, "virtio")
    _text(node, "target", dev=name, bus=bus)
    if disk.cdrom:
        _text(node, "readonly")
    return node


def _interface(devices: ET.Element, interface: Plug) -> None:
    node = _text(devices, "interface", type="ethernet")
    _text(node, "mac", address=interface.mac.lower())
    _text(node, "target", dev=tap_name(interface.port_id), managed="no")
    _text(node, "model", type="virtio")
    _text(node, "mtu", size=str(interface.mtu))
