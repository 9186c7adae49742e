"""The parts of image building that need no guest."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from cumulet.node.imagebuild import KINDS, ImageBuildError, packages_needed, properties, tree
from cumulet.node.imagebuild.cpio import Archive
from cumulet.node.imagebuild.elf import needed
from cumulet.node.imagebuild.kmods import Modules

FLATTEN = tree.HERE / "rootfs/usr/lib/cumulet/json.awk"


def test_unknown_kind_is_refused() -> None:
    with pytest.raises(ImageBuildError, match="no image kind 'windows'"):
        packages_needed("windows")
    for kind in KINDS:
        assert "syslinux" in packages_needed(kind)
    assert properties("tiny")["min_ram"] == 96


def _module(folder: Path, name: str, depends: str) -> None:
    (folder / f"{name}.ko").write_bytes(b"\x7fELF..\0depends=" + depends.encode() + b"\0alias=pci:x" + b"\0")


def test_modules_come_after_what_they_need(tmp_path: Path) -> None:
    _module(tmp_path, "top-level", "middle,low")
    _module(tmp_path, "middle", "low")
    _module(tmp_path, "low", "")
    modules = Modules(tmp_path)
    assert modules.closure(["top_level"]) == ["low", "middle", "top_level"]
    assert "top-level.ko: middle.ko low.ko" in modules.index(["top_level"])["modules.dep"]
    with pytest.raises(ImageBuildError, match="no module absent"):
        modules.closure(["absent"])


def test_archive_is_read_by_cpio(tmp_path: Path) -> None:
    archive = Archive()
    archive.folder("etc")
    archive.file("bin/tool", b"x" * 5, 0o755)
    archive.link("bin/sh", "tool")
    data = archive.packed()
    (tmp_path / "a.gz").write_bytes(data)
    plain = subprocess.run(["gzip", "-dc", str(tmp_path / "a.gz")], capture_output=True, check=True).stdout
    assert plain.startswith(b"070701")
    if shutil.which("cpio"):
        names = subprocess.run(["cpio", "-it"], input=plain, capture_output=True, check=True).stdout.decode()
        assert names.split() == ["etc", "bin", "bin/tool", "bin/sh"]


def test_libraries_of_a_program() -> None:
    assert "libc.so.6" in needed(Path("/bin/ls").resolve())
    assert needed(FLATTEN) == []


def test_json_is_flattened_by_awk(tmp_path: Path) -> None:
    document = {
        "a": {"b/c": 'q"uo\\te', "d": [1, {"e": "x\ny"}]},
        "f": [],
        "g": {},
        "h": None,
        "i": -1.5,
        "j": "A\u0041",
    }
    path = tmp_path / "doc.json"
    for text in (json.dumps(document), json.dumps(document, indent=2)):
        path.write_text(text)
        done = subprocess.run(["awk", "-f", str(FLATTEN), str(path)], capture_output=True, text=True, check=True)
        assert done.stdout.split("\n") == [
            '/a/b/c\tq"uo\\te', "/a/d/0\t1", "/a/d/1/e\tx\x01y", "/h\tnull", "/i\t-1.5", "/j\tAA", "",
        ]  # fmt: skip


def test_partition_table_marks_boot_and_root() -> None:
    from cumulet.node.imagebuild.disk import _mbr

    sector = _mbr(b"\x90" * 440, (2048, 100), (4096, 200))
    assert len(sector) == 512
    assert sector[510:] == b"\x55\xaa"
    assert struct.unpack_from("<II", sector, 446 + 8) == (2048, 100)
    assert struct.unpack_from("<II", sector, 462 + 8) == (4096, 200)
    assert sector[446] == 0x80


@pytest.mark.parametrize("script", ["boot", "first-steps", "interface", "hotplug", "terminal", "halt"])
def test_guest_scripts_are_valid_shell(script: str) -> None:
    path = tree.HERE / "rootfs/usr/lib/cumulet" / script
    subprocess.run(["sh", "-n", str(path)], check=True)
