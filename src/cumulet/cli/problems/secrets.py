"""Secrets that are missing, or that others may read."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from cumulet.cli.problems.seen import Seen
from cumulet.config import OF_SIMULATED, SECRETS
from cumulet.problem import Problem

_MADE_ANEW = frozenset(("metrics_token", "operator_secret", *OF_SIMULATED))
"""The next `up` makes them, and nothing is lost: a cloud of a version that did not have them yet is well."""


def check(seen: Seen) -> Iterator[Problem]:
    """Everything below ``secrets`` (what is not ours to look into is closed, as it should be), and the files of
    credentials."""
    folder = seen.settings.secrets_dir
    try:
        names = {entry.name for entry in os.scandir(folder)}
        owner = folder.lstat().st_uid
    except FileNotFoundError:
        return
    except PermissionError:
        return
    for name in (*SECRETS, *(OF_SIMULATED if seen.settings.simulated is not None else ())):
        if name not in names and (seen.running or name not in _MADE_ANEW):
            yield Problem("secret-missing", f"the secret {folder / name} is not there", "Put it back from a backup")
    yield from _judged(folder, {0, owner})
    for top, folders, files in os.walk(folder):
        for name in (*folders, *files):
            yield from _judged(Path(top) / name, {0, owner})
    mine = seen.state.lstat().st_uid
    for name in ("admin-openrc", "demo-openrc", "clouds.yaml"):
        if (seen.state / name).exists():
            yield from _judged(seen.state / name, {0, mine})


def _judged(path: Path, owners: set[int]) -> Iterator[Problem]:
    try:
        found = path.lstat()
    except FileNotFoundError:  # replaced just now
        return
    open_to_others = stat.S_IMODE(found.st_mode) & 0o077
    if open_to_others and not stat.S_ISLNK(found.st_mode):
        mode = "700" if stat.S_ISDIR(found.st_mode) else "600"
        sentence = f"{path} holds secrets and may be read by others (mode {stat.S_IMODE(found.st_mode):o})"
        yield Problem("secret-open", sentence, f"chmod {mode} {path}")
    if found.st_uid not in owners:
        yield Problem("secret-open", f"{path} belongs to the user {found.st_uid}, not to the cloud's", "chown it")
