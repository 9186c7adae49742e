"""Small files are put in place whole, or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from cumulet import files


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_a_file_is_replaced_with_its_mode_whatever_the_umask(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "note"
    was = os.umask(0o077 if mode == 0o644 else 0)
    try:
        files.put(path, "one", mode=mode)
        files.put(path, b"two", mode=mode, sync=True)
    finally:
        os.umask(was)
    assert path.read_text() == "two" and stat.S_IMODE(path.stat().st_mode) == mode
    assert list(tmp_path.iterdir()) == [path]


def test_what_was_there_stays_when_it_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "note"
    files.put(path, "one")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        files.put(path, "two", sync=True)
    assert path.read_text() == "one" and list(tmp_path.iterdir()) == [path]


def test_no_link_is_written_through(tmp_path: Path) -> None:
    victim, path = tmp_path / "victim", tmp_path / "note"
    victim.write_text("theirs")
    path.symlink_to(victim)
    files.put(path, "ours")
    assert victim.read_text() == "theirs" and not path.is_symlink() and path.read_text() == "ours"


def test_drafts_of_killed_writers_go(tmp_path: Path) -> None:
    (tmp_path / ".note.1-2.draft").write_text("ha")
    (tmp_path / ".hidden").write_text("stays")
    files.remove_drafts(tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == [".hidden"]


def test_what_is_so_already_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So a cloud starts on a full disk."""
    place = tmp_path / "file"
    files.put_unless_so(place, "a text", mode=0o644)
    with monkeypatch.context() as patch:
        patch.setattr(files, "put", lambda *_args, **_more: pytest.fail("written again"))
        files.put_unless_so(place, "a text", mode=0o644)
    files.put_unless_so(place, "another", mode=0o644)
    assert place.read_text() == "another"
    files.put_unless_so(place, "another")
    assert place.stat().st_mode & 0o777 == 0o600
