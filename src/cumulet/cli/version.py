"""``cumulet --version``: which release this is, which commit when it is a checkout, and which tables it knows."""

from __future__ import annotations

import argparse
import subprocess
from typing import Any

import cumulet
from cumulet.cli.processes import SOURCE


class Version(argparse.Action):
    """Prints the version and ends. Nothing is asked before somebody wants to know."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        print(f"cumulet {text()}")
        parser.exit()


def text() -> str:
    """The version in full: ``0.2.0.dev0 (commit 5dfb141, with changes; schema 0002)``."""
    from cumulet.db.schema import HEAD

    found = commit()
    return f"{cumulet.__version__} ({f'commit {found}; ' if found else ''}schema {HEAD})"


def commit() -> str | None:
    """The commit of the checkout that this runs from; None for a package, or without git."""
    root = SOURCE.parent
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "describe", "--always", "--abbrev=8", "--exclude=*", "--dirty=, with changes"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None
