"""Disks, config drive and console log as files."""

from __future__ import annotations

import errno
import json
import os
import subprocess
from pathlib import Path

import pytest

from cumulet.node.guest import console, qcow2
from cumulet.node.guest.errors import FlavorTooSmall, GuestError
from cumulet.node.guest.images import BaseImage
from cumulet.node.guest.parts import config_drive
from cumulet.node.guest.parts.disks import Sizes
from cumulet.node.guest.parts.disks import ensure as ensure_disks


def info(path: Path) -> dict[str, object]:
    out = subprocess.run(
        ["qemu-img", "info", "-f", "qcow2", "--force-share", "--output=json", str(path)],
        check=True,
        capture_output=True,
    )
    facts: dict[str, object] = json.loads(out.stdout)
    return facts


def base(folder: Path, size: int = 1 << 20) -> BaseImage:
    path = folder / "base.raw"
    path.write_bytes(b"base".ljust(size, b"\0"))
    return BaseImage(path, "raw", size)


@pytest.mark.parametrize("size", [512, 1 << 20, 10 << 30, (2 << 40) + 512, 1 << 46])
def test_qemu_finds_our_qcow2_sound(tmp_path: Path, size: int) -> None:
    below = base(tmp_path)
    qcow2.write(tmp_path / "disk", size, qcow2.Backing(below.path, "raw"))
    facts = info(tmp_path / "disk")
    assert facts["virtual-size"] == size == qcow2.virtual_size(tmp_path / "disk", "qcow2")
    named = os.path.relpath(below.path, (tmp_path / "disk").parent)
    assert (facts["backing-filename"], facts["backing-filename-format"]) == (named, "raw")
    assert facts["full-backing-filename"] == str(below.path), "finding B8: both may move together"
    subprocess.run(["qemu-img", "check", "-f", "qcow2", str(tmp_path / "disk")], check=True, capture_output=True)


def test_what_is_below_shows_and_writes_stay_above(tmp_path: Path) -> None:
    below = base(tmp_path)
    qcow2.write(tmp_path / "disk", 1 << 20, qcow2.Backing(below.path, "raw"))
    io = [
        "qemu-io",
        "-f",
        "qcow2",
        "-c",
        "read -P 0x62 0 1",
        "-c",
        "write -P 7 65536 65536",
        "-c",
        "read -P 7 65536 65536",
    ]
    out = subprocess.run([*io, str(tmp_path / "disk")], check=True, capture_output=True, text=True).stdout
    assert "failed" not in out
    assert below.path.read_bytes()[65536:65540] == b"\0\0\0\0"
    subprocess.run(["qemu-img", "check", "-f", "qcow2", str(tmp_path / "disk")], check=True, capture_output=True)


def test_size_of_the_flavor_or_of_the_image(tmp_path: Path) -> None:
    below = base(tmp_path)
    (root,) = ensure_disks(tmp_path / "a", below, Sizes(3))
    assert info(root.path)["virtual-size"] == 3 << 30
    (root,) = ensure_disks(tmp_path / "b", below, Sizes(0))
    assert info(root.path)["virtual-size"] == 1 << 20


def test_flavor_smaller_than_the_image(tmp_path: Path) -> None:
    big = BaseImage(tmp_path / "x", "raw", 2 << 30)
    with pytest.raises(FlavorTooSmall, match="Flavor disk is 1073741824 bytes, image is 2147483648 bytes"):
        ensure_disks(tmp_path / "a", big, Sizes(1))
    assert not (tmp_path / "a").exists()


def test_an_existing_disk_is_never_looked_at_ossa_2016_001(tmp_path: Path) -> None:
    """The guest may write anything into its disks: no later ensure() reads them or believes them."""
    below = base(tmp_path)
    disks = ensure_disks(tmp_path / "a", below, Sizes(1, 1, 64))
    for one in disks:
        one.path.write_bytes(b"QFI\xfb garbage")
        one.path.chmod(0)
    again = ensure_disks(tmp_path / "a", below, Sizes(1, 1, 64))
    assert [(one.path.name, one.format) for one in again] == [
        ("disk", "qcow2"),
        ("disk.eph0", "raw"),
        ("disk.swap", "raw"),
    ]
    assert again == disks


def test_ephemeral_and_swap_are_formatted(tmp_path: Path) -> None:
    _, ephemeral, swap = ensure_disks(tmp_path / "a", base(tmp_path), Sizes(1, 1, 64))
    assert (ephemeral.path.stat().st_size, swap.path.stat().st_size) == (1 << 30, 64 << 20)
    with open(ephemeral.path, "rb") as file:
        assert file.seek(0x438) and file.read(2) == b"\x53\xef"
    with open(swap.path, "rb") as file:
        assert file.seek(4086) and file.read(10) == b"SWAPSPACE2"


def test_a_full_disk_leaves_nothing_half_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_file: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(qcow2.os, "fsync", full)
    with pytest.raises(GuestError, match="no space left"):
        ensure_disks(tmp_path / "a", base(tmp_path), Sizes(1))
    assert os.listdir(tmp_path / "a") == []
    monkeypatch.undo()
    assert ensure_disks(tmp_path / "a", base(tmp_path), Sizes(1))[0].path.exists()


def test_config_drive_has_the_files_and_the_label(tmp_path: Path) -> None:
    files = {
        "openstack/latest/meta_data.json": '{"name": "é"}',
        "openstack/latest/user_data": "#!/bin/sh\n",
        "ec2/x": "",
        "ec2/binary": "base64:H4sA/w==",
    }
    drive = config_drive.ensure(tmp_path / "a", files)
    assert os.listdir(tmp_path / "a") == ["disk.config"]
    show = ["isoinfo", "-J", "-i", str(drive)]
    told = subprocess.run(["isoinfo", "-d", "-i", str(drive)], capture_output=True, check=True).stdout
    assert b"Volume id: config-2" in told
    read = subprocess.run([*show, "-x", "/openstack/latest/meta_data.json"], capture_output=True, check=True).stdout
    assert read.decode() == '{"name": "é"}'
    binary = subprocess.run([*show, "-x", "/ec2/binary"], capture_output=True, check=True).stdout
    assert binary == b"\x1f\x8b\x00\xff"
    assert drive.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "", "a\0b"])
def test_config_drive_never_leaves_its_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(GuestError, match="invalid name"):
        config_drive.ensure(tmp_path / "a", {name: "text"})
    assert os.listdir(tmp_path / "a") == []
    assert os.listdir(tmp_path) == ["a"]


def test_console_log_is_bounded_and_counted_in_lines(tmp_path: Path) -> None:
    assert console.read(tmp_path, None) == b""
    (tmp_path / "console.log").write_bytes(b"".join(b"line %d\n" % n for n in range(100_000)))
    assert len(console.read(tmp_path, None)) == console.SHOWN_BYTES
    assert console.read(tmp_path, 2) == b"line 99998\nline 99999\n"
    assert console.read(tmp_path, 0) == b""


@pytest.mark.parametrize("collapses", [True, False])
def test_console_log_is_shortened_under_its_writer(
    tmp_path: Path, collapses: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not collapses:
        monkeypatch.setattr(console, "_allocate", lambda *_: False)
    with open(tmp_path / "console.log", "ab") as writer:
        for n in range(60_000):
            writer.write(b"%07d\n" % n)
        writer.flush()
        console.trim(tmp_path, keep=100_000)
        writer.write(b"the last\n")
    text = (tmp_path / "console.log").read_bytes()
    assert 100_000 <= len(text) <= 200_000 + 9
    assert text.endswith(b"0059998\n0059999\nthe last\n")


def test_console_log_that_is_a_link_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"x" * 10_000)
    (tmp_path / "console.log").symlink_to(tmp_path / "other")
    console.trim(tmp_path, keep=100)
    assert (tmp_path / "other").stat().st_size == 10_000
