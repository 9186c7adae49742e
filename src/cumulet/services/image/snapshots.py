"""Images in the snapshots of a simulated cloud: further names of their files, so that none is copied."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from cumulet.db import Transaction
from cumulet.process import Snapshotted
from cumulet.services.image import door

_FOLDER = "images"
_IMAGE = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}")
CACHED = frozenset({"image_cached"})
"""The table of files that lie in the cache, which a reset leaves there."""


def snapshotted(images: Path) -> Snapshotted:
    """The files in the folder `images`."""
    return Snapshotted(before=partial(_before, images), take=partial(_take, images), staying=CACHED)


def _take(images: Path, folder: Path) -> None:
    (folder / _FOLDER).mkdir(mode=0o700)
    for path in _files(images):
        os.link(path, folder / _FOLDER / path.name)


def _before(images: Path, tx: Transaction, folder: Path) -> Callable[[], None]:
    """The files are there before rows name them again; those made since go when the rows have."""
    known = door.known_ids(tx)
    for path in _files(folder / _FOLDER):
        if not (images / path.name).exists():
            os.link(path, images / path.name)
    return lambda: tx.on_commit(lambda: _drop(images, folder, known))


def _drop(images: Path, folder: Path, known: set[str]) -> None:
    for path in list(_files(images)):
        if path.name in known and not (folder / _FOLDER / path.name).exists():
            path.unlink(missing_ok=True)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.iterdir() if _IMAGE.fullmatch(path.name) and path.is_file())
