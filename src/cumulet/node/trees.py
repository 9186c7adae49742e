"""Removes folders in which somebody else may have put what he likes: a controller or a QEMU that was taken over.

However deep they are: Python's own way calls itself for each level, and ends with an error after some hundred. Must
never follow a link, and never leave the folder.
"""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove(folder: Path) -> None:
    """Remove a folder with all that is in it. Raises OSError, FileNotFoundError when there is none."""
    top = os.open(folder, _FOLDER)
    try:
        while names := os.listdir(top):
            for name in names:
                _take_away(top, name)
    finally:
        os.close(top)
    os.rmdir(folder)


def _take_away(top: int, name: str) -> None:
    """Remove one entry of the folder `top`; folders inside it become entries of `top`, to be removed in their turn."""
    if not _is_folder(top, name):
        os.unlink(name, dir_fd=top)
        return
    inner = os.open(name, _FOLDER, dir_fd=top)
    try:
        for each in os.listdir(inner):
            if _is_folder(inner, each):
                os.rename(each, secrets.token_hex(16), src_dir_fd=inner, dst_dir_fd=top)
            else:
                os.unlink(each, dir_fd=inner)
    finally:
        os.close(inner)
    os.rmdir(name, dir_fd=top)


def _is_folder(place: int, name: str) -> bool:
    return stat.S_ISDIR(os.stat(name, dir_fd=place, follow_symlinks=False).st_mode)
