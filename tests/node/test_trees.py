"""Folders in which somebody who was taken over made whatever he likes go away all the same."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from cumulet.cli import state_folder
from cumulet.node import trees
from cumulet.node.guest import console
from cumulet.node.users import User

DEEP = 3000


def deepen(folder: Path) -> None:
    """Folders in each other, deeper than a path or Python's stack may be long, with a file and a link in each."""
    here = os.open(folder, os.O_RDONLY)
    for _ in range(DEEP):
        os.close(os.open("file", os.O_CREAT, dir_fd=here))
        os.symlink("/", "link", dir_fd=here)
        os.mkdir("a", dir_fd=here)
        below = os.open("a", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)


def test_a_folder_of_any_depth_goes_and_links_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("")
    folder = tmp_path / "folder"
    folder.mkdir()
    deepen(folder)
    (folder / "out").symlink_to(outside)
    os.mkfifo(folder / "pipe")
    trees.remove(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["outside"]
    assert (outside / "kept").exists()
    (tmp_path / "link").symlink_to(outside)
    with pytest.raises(OSError, match="link"):
        trees.remove(tmp_path / "link")
    with pytest.raises(FileNotFoundError):
        trees.remove(folder)


def test_a_controller_cannot_keep_its_cloud_from_being_deleted(tmp_path: Path) -> None:
    """Finding S19's class: a purge ended with a traceback, each time, in a folder that is the controller's."""
    state = tmp_path / "state"
    state_folder.create(state)
    (state / "db").mkdir()
    deepen(state / "db")
    state_folder.delete(state)
    assert not state.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_guest_cannot_keep_itself_from_being_deleted(tmp_path: Path) -> None:
    """Finding S13: before its screen is adopted, a QEMU may make in one folder what it likes."""
    screen = tmp_path / "x.sock"
    user = User(os.geteuid(), os.getegid())
    for remove in (lambda: console.screen_absent(screen), lambda: console.adopt_screen(screen, user, None)):
        nest = console.expect_screen(screen, user)
        deepen(nest.parent)
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(nest))
            remove()
        assert not nest.parent.exists()
