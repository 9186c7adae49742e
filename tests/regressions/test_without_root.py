"""Finding S13: what a stranger can attack on a host is nobody, by every text that the node writes for it.

Running processes are looked at by tests/node/guest/test_confinement.py, tests/node/net/inside/world_rights.py and
tests/e2e/test_confinement.py.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from cumulet.desired.guest import BootImage, Guest
from cumulet.desired.network import Dhcp, Network, Subnet
from cumulet.node import users
from cumulet.node.guest import bounded, confinement, domain, images
from cumulet.node.net import dhcp

ID = "33333333-3333-4333-8333-333333333333"


def domain_of(words: str) -> ET.Element:
    image = BootImage(id=ID, disk_format="qcow2", size=1, os_hash_value="0" * 128)
    guest = Guest(id=ID, name="instance-00000001", display_name="x", vcpus=1, memory_mb=64, root_gb=1, image=image)
    place = domain.Place("owner", Path("/i"), Path("/v/s"), users.derived("guest", words))
    base = images.BaseImage(Path("/images/base"), "qcow2", 1 << 20)
    return ET.fromstring(domain.render(guest, place, domain.Boot([domain.Disk(Path("/i/disk"), "qcow2", below=base)])))


def test_qemu_is_told_whom_to_become() -> None:
    """Finding S13: a user per guest that is not root, and no file given away by libvirt."""
    labels = [domain_of(words).find("seclabel") for words in ("one", "two")]
    found = []
    for label in labels:
        assert label is not None
        assert label.attrib == {"type": "static", "model": "dac", "relabel": "no"}
        found.append(label.findtext("label", ""))
    assert found[0] != found[1]
    assert all(int(number) >= 1000 for text in found for number in text.replace("+", "").split(":"))


def test_what_is_below_a_disk_is_not_read_from_the_disk() -> None:
    """Finding S13: root would open whatever a broken QEMU had written into its header."""
    below = domain_of("one").find("devices/disk/backingStore")
    assert below is not None
    source = below.find("source")
    assert source is not None
    assert source.attrib == {"file": "/images/base"}
    assert below.find("backingStore") is not None, "the chain ends there"


def test_libvirtd_of_ours_confines_qemu() -> None:
    """Finding S13: the settings said user root, no namespaces, and left the sandbox to its default."""
    text = confinement.Confinement("none", private_dev=True).settings()
    lines = dict(line.split(" = ") for line in text.splitlines())
    assert lines["user"] not in ('"root"', '"0"', '"+0"')
    assert lines["group"] not in ('"root"', '"0"', '"+0"')
    assert (lines["seccomp_sandbox"], lines["clear_emulator_capabilities"]) == ("1", "1")
    assert lines["namespaces"] == '["mount"]'


def test_qemu_img_gets_neither_rights_nor_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Finding S13: it parsed strangers' files as root."""
    ran: list[list[str]] = []

    def run(words: list[str], **_options: Any) -> Any:
        ran.append(words)
        return SimpleNamespace(returncode=0, stdout=b"", stderr=b"")

    monkeypatch.setattr(subprocess, "run", run)
    bounded.run(["qemu-img", "info", "x"], images._INSPECT, users.for_once())
    (words,) = ran
    before = words[: words.index("qemu-img")]
    assert before[:2] == ["unshare", "--net"]
    assert {"--no-new-privs", "--clear-groups", "--bounding-set=-all", "--ambient-caps=-all"} <= set(before)
    assert not {"--reuid=0", "--regid=0"} & set(before)


def test_dnsmasq_is_never_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Finding S13: it was started by root and dropped its rights itself, to a user that all networks shared."""
    ran: list[tuple[str, ...]] = []
    monkeypatch.setattr(dhcp, "run", lambda *words, netns: ran.append(words))
    monkeypatch.setattr(users, "give", lambda *_: None)
    servers = dhcp.DhcpServers(tmp_path)
    monkeypatch.setattr(servers, "_pid", lambda _place: 1)
    subnet = Subnet(id=ID, cidr="10.0.0.0/24", gateway_ip="10.0.0.1", enable_dhcp=True)
    leased = Dhcp(port_id=ID, mac="fa:16:3e:00:00:01", addresses=[], hosts=[])
    network = Network(id=ID, kind="vxlan", segmentation_id=5, mtu=1450, subnets=[subnet], dhcp=leased)
    servers._start(network, tmp_path, servers._arguments(network, tmp_path), users.derived("dhcp", ID))
    (words,) = ran
    before = words[: words.index("dnsmasq")]
    assert {"--no-new-privs", "--bounding-set=-all,+net_admin,+net_raw,+net_bind_service"} <= set(before)
    assert not {"--reuid=0", "--regid=0"} & set(before)
