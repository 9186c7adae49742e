"""What the image cache takes and refuses. Advisory names are those of past faults elsewhere."""

from __future__ import annotations

import errno
import hashlib
import os
import struct
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cumulet.desired.guest import BootImage, LooseImage
from cumulet.node.guest import images
from cumulet.node.guest.errors import GuestError, ImageRefused

ID = "11111111-1111-4111-8111-111111111111"


def describe(data: bytes, disk_format: str, image_id: str = ID) -> BootImage:
    digest = hashlib.sha512(data).hexdigest()
    return BootImage(id=image_id, disk_format=disk_format, size=len(data), os_hash_value=digest)


def take(folder: Path, data: bytes, disk_format: str) -> images.BaseImage:
    cache = images.ImageCache(folder / "cache")
    return cache.ensure_base(
        describe(data, disk_format), lambda _id: [data[i : i + 65536] for i in range(0, len(data), 65536)]
    )


def qemu_img(*arguments: str) -> None:
    subprocess.run(["qemu-img", *arguments], check=True, capture_output=True)


def make(folder: Path, file_format: str, *options: str) -> bytes:
    path = folder / f"made.{file_format}"
    qemu_img("create", "-f", file_format, *options, str(path), "2M")
    return path.read_bytes()


def nothing_left(folder: Path) -> bool:
    cache = folder / "cache"
    return not cache.exists() or not list(cache.iterdir())


def refused(folder: Path, data: bytes, disk_format: str) -> str:
    with pytest.raises(ImageRefused) as caught:
        take(folder, data, disk_format)
    assert nothing_left(folder)
    assert str(folder) not in caught.value.message
    return caught.value.message


def test_qcow2_is_kept_as_it_is(tmp_path: Path) -> None:
    data = make(tmp_path, "qcow2")
    base = take(tmp_path, data, "qcow2")
    assert (base.format, base.virtual_size, base.path.read_bytes()) == ("qcow2", 2 << 20, data)


def test_raw_without_any_format(tmp_path: Path) -> None:
    base = take(tmp_path, b"\0" * 1048576, "raw")
    assert (base.format, base.virtual_size) == ("raw", 1048576)


@pytest.mark.parametrize("file_format", ["vmdk", "vdi", "vpc", "vhdx"])
def test_other_formats_become_qcow2(tmp_path: Path, file_format: str) -> None:
    options = ["-o", "subformat=monolithicSparse"] if file_format == "vmdk" else []
    data = make(tmp_path, file_format, *options)
    base = take(tmp_path, data, "vhd" if file_format == "vpc" else file_format)
    assert base.format == "qcow2"
    assert base.virtual_size >= 2 << 20


def test_backing_file_is_refused_ossa_2015_011_014(tmp_path: Path) -> None:
    qemu_img("create", "-f", "qcow2", "-b", "/etc/passwd", "-F", "raw", str(tmp_path / "evil"), "2M")
    assert "backing_file" in refused(tmp_path, (tmp_path / "evil").read_bytes(), "qcow2")


def test_data_file_is_refused_ossa_2024_001(tmp_path: Path) -> None:
    qemu_img(
        "create", "-f", "qcow2", "-o", f"data_file={tmp_path}/secret,data_file_raw=on", str(tmp_path / "evil"), "2M"
    )
    assert "data_file" in refused(tmp_path, (tmp_path / "evil").read_bytes(), "qcow2")


def test_unknown_features_are_refused(tmp_path: Path) -> None:
    data = bytearray(make(tmp_path, "qcow2"))
    data[72:80] = struct.pack(">Q", 1 << 40)
    assert "unknown_features" in refused(tmp_path, bytes(data), "qcow2")


@pytest.mark.parametrize("file_format", ["qcow2", "vmdk", "vdi", "vhdx"])
@pytest.mark.parametrize("declared", ["raw", "ami", "aki", "iso"])
def test_a_format_hidden_behind_raw_is_refused_ossa_2024_002(tmp_path: Path, file_format: str, declared: str) -> None:
    message = refused(tmp_path, make(tmp_path, file_format), declared)
    assert f"content is {file_format}, not {declared}" in message


def test_vmdk_naming_a_host_file_is_refused_ossa_2023_002(tmp_path: Path) -> None:
    text = (
        b"# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\n"
        b'createType="monolithicFlat"\n\nRW 4096 FLAT "/etc/passwd" 0\n'
    )
    refused(tmp_path, text.ljust(65536, b"\n"), "vmdk")
    sparse = bytearray(make(tmp_path, "vmdk", "-o", "subformat=monolithicSparse"))
    sparse[:] = sparse.replace(b'RW 4096 SPARSE "made.vmdk"', b'RW 4096 FLAT "/etc/passwd"')
    assert b"/etc/passwd" in sparse
    assert "descriptor" in refused(tmp_path, bytes(sparse), "vmdk")


def test_two_formats_at_once_are_refused(tmp_path: Path) -> None:
    data = bytearray(make(tmp_path, "qcow2"))
    data[510:512] = b"\x55\xaa"
    assert "gpt and qcow2" in refused(tmp_path, bytes(data), "qcow2")


def test_invalid_partition_table_is_refused(tmp_path: Path) -> None:
    data = bytearray(65536)
    data[510:512] = b"\x55\xaa"
    data[446] = 0x42
    assert "mbr" in refused(tmp_path, bytes(data), "raw")


def test_unknown_declared_format_is_refused(tmp_path: Path) -> None:
    assert "not supported" in refused(tmp_path, b"\0" * 65536, "ploop")


def test_shorter_than_described_is_refused(tmp_path: Path) -> None:
    data = make(tmp_path, "qcow2")
    cache = images.ImageCache(tmp_path / "cache")
    with pytest.raises(ImageRefused, match="incomplete"):
        cache.ensure_base(describe(data, "qcow2"), lambda _id: [data[:-1000]])
    assert nothing_left(tmp_path)


def test_longer_than_described_is_cut_off_at_once(tmp_path: Path) -> None:
    given = 0

    def endless(_id: str) -> Iterator[bytes]:
        nonlocal given
        while True:
            given += 1
            yield b"\0" * 65536

    with pytest.raises(ImageRefused, match="larger"):
        images.ImageCache(tmp_path / "cache").ensure_base(describe(b"\0" * 131072, "raw"), endless)
    assert given == 3
    assert nothing_left(tmp_path)


def test_checksum_is_verified_before_conversion_ossa_2024_004(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = make(tmp_path, "vdi")
    monkeypatch.setattr(images.bounded, "run", lambda *_: pytest.fail("qemu-img was started on unverified bytes"))
    spec = describe(data, "vdi")
    spec.os_hash_value = "0" * 128
    with pytest.raises(ImageRefused, match="checksum"):
        images.ImageCache(tmp_path / "cache").ensure_base(spec, lambda _id: [data])


def test_qcow2_cut_in_its_tables_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "full"
    qemu_img("create", "-f", "qcow2", str(path), "2M")
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write 0 1M", str(path)], check=True, capture_output=True)
    refused(tmp_path, path.read_bytes()[:200_000], "qcow2")
    refused(tmp_path, path.read_bytes()[:400], "qcow2")


def test_format_is_always_named_to_qemu_img(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    real = images.bounded.run
    monkeypatch.setattr(images.bounded, "run", lambda command, *more: seen.append(command) or real(command, *more))
    take(tmp_path, make(tmp_path, "vdi"), "vdi")
    assert [command[1] for command in seen] == ["convert", "info", "check"]
    assert all("-f" in command for command in seen)
    assert "--force-share" in seen[1]


def test_a_bomb_is_stopped_ossa_2016_012(tmp_path: Path) -> None:
    tight = images.bounded.Bounds(cpu_s=1, wall_s=20)
    spin = ["awk", "BEGIN { while (1) x++ }"]
    with pytest.raises(images.bounded.CommandFailed):
        images.bounded.run(spin, tight)
    eat = ["awk", 'BEGIN { x = "0123456789abcdef"; while (1) x = x x }']
    with pytest.raises(images.bounded.CommandFailed):
        images.bounded.run(eat, images.bounded.Bounds(memory_bytes=256 << 20, wall_s=20))
    with pytest.raises(images.bounded.CommandFailed, match="timed out"):
        images.bounded.run(["sleep", "20"], images.bounded.Bounds(wall_s=0.2))


def test_many_callers_one_fetch(tmp_path: Path) -> None:
    data = make(tmp_path, "qcow2")
    cache, fetched, paths = images.ImageCache(tmp_path / "cache"), [], []

    def fetch(image_id: str) -> Iterator[bytes]:
        fetched.append(image_id)
        yield data

    threads = [
        threading.Thread(target=lambda: paths.append(cache.ensure_base(describe(data, "qcow2"), fetch).path))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert fetched == [ID]
    assert len(paths) == 8
    assert len(set(paths)) == 1


def test_a_failed_fetch_leaves_nothing_and_can_be_repeated(tmp_path: Path) -> None:
    data = make(tmp_path, "qcow2")
    cache = images.ImageCache(tmp_path / "cache")

    def broken(_id: str) -> Iterator[bytes]:
        yield data[:1000]
        raise ConnectionResetError("gone")

    with pytest.raises(GuestError):
        cache.ensure_base(describe(data, "qcow2"), broken)
    assert nothing_left(tmp_path)
    assert cache.ensure_base(describe(data, "qcow2"), lambda _id: [data]).path.exists()


def test_a_full_disk_is_said_so_and_nothing_stays(tmp_path: Path) -> None:
    def full(_id: str) -> Iterator[bytes]:
        yield b"\0" * 65536
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(GuestError, match="no space left"):
        images.ImageCache(tmp_path / "cache").ensure_base(describe(b"\0" * 131072, "raw"), full)
    assert nothing_left(tmp_path)


def test_sweep_keeps_what_is_named_and_takes_leftovers(tmp_path: Path) -> None:
    other = "22222222-2222-4222-8222-222222222222"
    cache = images.ImageCache(tmp_path / "cache")
    for image_id in (ID, other):
        cache.ensure_base(describe(b"\0" * 65536, "raw", image_id), lambda _id: [b"\0" * 65536])
    (tmp_path / "cache" / f".{ID}-0123456789abcdef.fetched").write_bytes(b"left by a crash")
    cache.sweep([ID])
    assert [path.name.startswith(ID) for path in (tmp_path / "cache").iterdir()] == [True]


def test_an_id_is_never_a_path(tmp_path: Path) -> None:
    spec = describe(b"\0" * 65536, "raw", "../../etc/cron.d/x")
    with pytest.raises(ImageRefused):
        images.ImageCache(tmp_path / "cache").ensure_base(spec, lambda _id: [b"\0" * 65536])


def loose(data: bytes, image_id: str = ID) -> LooseImage:
    return LooseImage(id=image_id, size=len(data), os_hash_value=hashlib.sha512(data).hexdigest())


def test_kernel_beside_a_bare_file_system(tmp_path: Path) -> None:
    kernel = bytearray(65536)
    kernel[510:512] = b"\x55\xaa"
    cache = images.ImageCache(tmp_path / "cache")
    assert cache.ensure_loose(loose(kernel), lambda _id: [bytes(kernel)]).read_bytes() == kernel  # type: ignore[arg-type]
    other, disk = "33333333-3333-4333-8333-333333333333", make(tmp_path, "qcow2")
    with pytest.raises(ImageRefused, match="content is qcow2"):
        cache.ensure_loose(loose(disk, other), lambda _id: [disk])
    stem = f"{ID}-loose{loose(kernel).os_hash_value[:16]}"  # type: ignore[arg-type]
    assert os.listdir(tmp_path / "cache") == [f"{stem}.raw"]
    with pytest.raises(ImageRefused):  # what passed as a kernel is no base image for that
        cache.ensure_base(describe(bytes(kernel), "qcow2"), lambda _id: [bytes(kernel)])
    assert cache.sweep([]) == [f"{stem}.raw"]


@pytest.mark.parametrize("bytes_sent", [b"another" * 10, b"x" * 69, b"x" * 71, b"X" + b"x" * 69])
def test_a_kernel_is_what_was_looked_up_or_nothing(tmp_path: Path, bytes_sent: bytes) -> None:
    """Finding S3: the bytes of a kernel and a ramdisk are checked against the size and checksum of the create."""
    cache = images.ImageCache(tmp_path / "cache")
    with pytest.raises(ImageRefused):
        cache.ensure_loose(loose(b"x" * 70), lambda _id: [bytes_sent])
    assert os.listdir(tmp_path / "cache") == []


@pytest.mark.parametrize(
    "spec",
    [
        LooseImage(id="../../etc/cron.d/x", size=1, os_hash_value="0" * 128),
        LooseImage(id=ID, size=1, os_hash_value=""),
        LooseImage(id=ID, size=1, os_hash_value="0" * 128 + "\n"),
        LooseImage(id=ID, size=(512 << 20) + 1, os_hash_value="0" * 128),
    ],
)
def test_a_kernel_without_a_checksum_is_not_fetched(tmp_path: Path, spec: LooseImage) -> None:
    """Finding S3."""
    fetched: list[str] = []

    def fetch(image_id: str) -> list[bytes]:
        fetched.append(image_id)
        return [b"x"]

    with pytest.raises(ImageRefused):
        images.ImageCache(tmp_path / "cache").ensure_loose(spec, fetch)
    assert fetched == []
