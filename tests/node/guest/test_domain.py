"""The domain's XML."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from cumulet.desired.guest import BootImage, Guest
from cumulet.desired.port import Plug
from cumulet.node.guest import domain
from cumulet.node.guest.domain import Disk
from cumulet.node.guest.errors import GuestError
from cumulet.node.users import User

ID = "33333333-3333-4333-8333-333333333333"
PORT = "6b9ccfcf-9122-4222-8222-222222222222"
USER = User(1879048193, 1879048194)
PLACE = domain.Place("the-owner", Path("/state/instances/x"), Path("/state/vnc/x.sock"), USER)
ROOT = Disk(Path("/state/instances/x/disk"), "qcow2")


def guest(**changes: object) -> Guest:
    fields: dict[str, object] = {
        "id": ID, "name": "instance-0000002a", "display_name": "web", "vcpus": 2, "memory_mb": 128, "root_gb": 1,
        "image": BootImage(id=ID, disk_format="qcow2", size=1, os_hash_value="0" * 128),
        "ports": [Plug(port_id=PORT, network_id="n", mac="FA:16:3e:00:00:01", mtu=1442)],
        "project_id": "p", "user_id": "u", "flavor_name": "m1.nano",
    }  # fmt: skip
    return Guest(**{**fields, **changes})  # type: ignore[arg-type]


def tree(spec: Guest, place: domain.Place = PLACE, boot: domain.Boot | None = None) -> ET.Element:
    domain.check(spec)
    return ET.fromstring(domain.render(spec, place, boot or domain.Boot([ROOT])))


def attributes(root: ET.Element, path: str) -> dict[str, str]:
    found = root.find(path)
    assert found is not None, path
    return dict(found.attrib)


def test_identity() -> None:
    root = tree(guest())
    assert (root.get("type"), root.findtext("name"), root.findtext("uuid")) == ("qemu", "instance-0000002a", ID)
    entries = {one.get("name"): one.text for one in root.findall("sysinfo/system/entry")}
    assert entries["manufacturer"] == "OpenStack Foundation"
    assert entries["product"] == "OpenStack Nova"
    assert entries["serial"] == entries["uuid"] == ID
    assert entries["family"] == "Virtual Machine"
    assert attributes(root, "os/smbios") == {"mode": "sysinfo"}
    assert root.findtext(f"metadata/{{{domain.NOVA}}}instance/{{{domain.NOVA}}}name") == "web"


def test_the_mark_comes_back() -> None:
    node = tree(guest(hard_reboots=3, soft_reboots=1)).find(f"metadata/{{{domain.OURS}}}guest")
    assert node is not None
    assert domain.read_mark(ET.tostring(node, encoding="unicode")) == domain.Mark("the-owner", 3, 1)
    assert domain.read_mark("<guest/>") is None
    assert domain.read_mark("not xml") is None


def test_every_disk_states_its_format() -> None:
    boot = domain.Boot([ROOT, Disk(Path("/s/disk.eph0"), "raw")], seed=Path("/s/disk.config"))
    disks = tree(guest(), boot=boot).findall("devices/disk")
    formats = [(one.find("target").get("dev"), one.find("driver").get("type")) for one in disks]  # type: ignore[union-attr]
    assert formats == [("vda", "qcow2"), ("vdb", "raw"), ("hdd", "raw")]
    assert [one.get("device") for one in disks] == ["disk", "disk", "cdrom"]
    assert attributes(disks[0], "boot") == {"order": "1"}
    assert disks[2].find("readonly") is not None


def test_interface_is_a_tap_that_exists_already() -> None:
    root = tree(guest())
    assert attributes(root, "devices/interface") == {"type": "ethernet"}
    assert attributes(root, "devices/interface/target") == {"dev": "tap6b9ccfcf-91", "managed": "no"}
    assert attributes(root, "devices/interface/mac") == {"address": "fa:16:3e:00:00:01"}
    assert attributes(root, "devices/interface/mtu") == {"size": "1442"}
    assert attributes(root, "devices/interface/model") == {"type": "virtio"}


@pytest.mark.parametrize(("memory", "cache"), [(64, 32), (128, 32), (129, 64), (512, 128), (1024, 128), (4096, 256)])
def test_translation_cache_is_always_set(memory: int, cache: int) -> None:
    root = tree(guest(memory_mb=memory))
    assert root.findtext("features/tcg/tb-cache") == str(cache)
    assert attributes(root, "cpu")["mode"] == "maximum"


def test_kvm() -> None:
    root = tree(guest(), domain.Place("o", Path("/x"), Path("/v"), USER, "kvm"))
    assert root.get("type") == "kvm"
    assert attributes(root, "cpu")["mode"] == "host-passthrough"
    assert root.find("features/tcg") is None


def test_consoles_and_small_devices() -> None:
    root = tree(guest())
    assert attributes(root, "devices/serial") == {"type": "pty"}
    assert attributes(root, "devices/serial/log") == {"file": "/state/instances/x/console.log", "append": "on"}
    assert attributes(root, "devices/graphics/listen") == {"type": "socket", "socket": "/state/vnc/x.sock"}
    assert attributes(root, "devices/video/model")["type"] == "vga"
    assert root.findtext("devices/rng/backend") == "/dev/urandom"
    assert attributes(root, "devices/memballoon/stats") == {"period": "10"}
    assert [root.findtext(tag) for tag in ("on_poweroff", "on_reboot")] == ["destroy", "restart"]


def test_bare_file_system_boots_a_kernel() -> None:
    boot = domain.Boot([ROOT], kernel=Path("/c/k"), ramdisk=Path("/c/r"), command_line="root=/dev/vda & <x>")
    root = tree(guest(), boot=boot)
    assert [root.findtext(f"os/{tag}") for tag in ("kernel", "initrd", "cmdline")] == [
        "/c/k",
        "/c/r",
        "root=/dev/vda & <x>",
    ]
    assert root.find("devices/disk/boot") is None


def test_cd_image_is_a_cdrom() -> None:
    root = tree(guest(), boot=domain.Boot([Disk(Path("/c/iso"), "raw", cdrom=True)], seed=Path("/s")))
    targets = [(one.get("device"), attributes(one, "target")["dev"]) for one in root.findall("devices/disk")]
    assert targets == [("cdrom", "hda"), ("cdrom", "hdd")]


EVIL = "</nova:name><devices><disk type='file'/></devices>\"'&\x00\x1b\ud800]]>"


def test_a_name_is_only_ever_text() -> None:
    spec = guest(display_name=EVIL, flavor_name=EVIL, user_id='"><x/>', project_id="]]>")
    root = tree(spec)
    kept = "</nova:name><devices><disk type='file'/></devices>\"'&]]>"
    assert root.findtext(f"metadata/{{{domain.NOVA}}}instance/{{{domain.NOVA}}}name") == kept
    assert [len(root.findall(path)) for path in ("devices", "devices/disk", ".//x")] == [1, 1, 0]


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "web; reboot"}, {"name": "instance-1"}, {"name": "instance-0000002a\n"}, {"id": "../../etc"},
        {"vcpus": 0}, {"memory_mb": 0}, {"root_gb": -1},
        {"ports": [Plug(port_id="../x", network_id="n", mac="fa:16:3e:00:00:01")]},
        {"ports": [Plug(port_id=PORT, network_id="n", mac="fa:16:3e:00:00:01\n")]},
    ],
)  # fmt: skip
def test_names_that_cannot_be_ours_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(GuestError):
        domain.check(guest(**changes))
