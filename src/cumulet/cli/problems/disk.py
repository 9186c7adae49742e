"""Space on the file systems of a cloud, and whether they can be written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from cumulet import space
from cumulet.cli.problems.seen import Seen
from cumulet.problem import Problem


def check(seen: Seen) -> Iterator[Problem]:
    """Each file system once, named by the first of the cloud's folders on it."""
    known: set[int] = set()
    for folder in folders(seen):
        try:
            device = folder.stat().st_dev
            found = space.of(folder)
        except OSError:  # not there, or not ours to look at
            continue
        if device not in known:
            known.add(device)
            yield from judged(folder, found)


def folders(seen: Seen) -> list[Path]:
    """The folders that the cloud writes, in the order in which a shortage hurts."""
    names = ("", "db", "images", "images-staging", "node", "log", "run")
    return [seen.state / name for name in names]


def judged(folder: Path, found: space.Space) -> Iterator[Problem]:
    """What is wrong with the file system of `folder`."""
    free = f"{found.free_bytes / 1e6:.0f} of {found.total_bytes / 1e6:.0f} MB are free"
    if found.flags & os.ST_RDONLY:
        sentence = f"the file system of {folder} is mounted read-only: nothing can be written"
        yield Problem("disk-read-only", sentence, "dmesg may say why; mount -o remount,rw it when it is sound")
    elif found.full:
        sentence = f"the disk of {folder} is full ({free})"
        yield Problem("disk-full", sentence, "Make room there or delete images and servers; nothing else is needed")
    elif found.low:
        sentence = f"the disk of {folder} is nearly full ({free})"
        advice = "Images and servers are refused until 5 % are free: make room, or delete some"
        yield Problem("disk-low", sentence, advice)
