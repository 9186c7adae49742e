"""Who gets at the folders of tests."""

from __future__ import annotations

from pathlib import Path


def passable(folder: Path) -> None:
    """Let other users pass to a folder of pytest's, such as the user of a cloud's controller.

    How many folders above are closed depends on whether pytest runs workers.
    """
    for each in (folder, *folder.parents):
        if each.stat().st_mode & 0o055 == 0o055:
            return
        each.chmod(0o755)
