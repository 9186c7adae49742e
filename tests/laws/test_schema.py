"""Every change of the tables is in the newest revision, and what has been released stays as it was."""

from __future__ import annotations

import difflib
from hashlib import sha256

from cumulet.db import metadata
from cumulet.db.schema import HEAD, MIGRATIONS
from tests import revise
from tests.db import shapes

RELEASED = {"0001": "1ceabe5b56841880", "0002": "07e2de6c706dd938"}
"""Revision → the beginning of its file's SHA-256; only the name of the room it imports may follow a move. A release
adds its own here, and begins the next one (see CONTRIBUTING.md, "The tables")."""


def test_the_newest_revision_leads_to_the_tables() -> None:
    shapes.declare_everything()
    before, now = shapes.recorded(HEAD), shapes.shape_of(metadata)
    changed = [
        line
        for line in difflib.unified_diff(before.splitlines(), now.splitlines(), lineterm="", n=0)
        if line[0] in "+-" and line[:3] not in ("+++", "---")
    ]
    assert not changed, f"the tables have changed: run `{revise.COMMAND}`, which brings revision {HEAD} along\n" + (
        "\n".join(changed)
    )
    assert revise.newest().read_text() == revise.revised(), (
        f"{revise.newest()} is not what leads from {revise.previous()} to the tables: run `{revise.COMMAND}`"
    )


def test_released_revisions_stay_as_they_were() -> None:
    files = sorted((MIGRATIONS / "versions").glob("[0-9]*.py"))
    assert [path.name[:4] for path in files] == [f"{number:04d}" for number in range(1, len(files) + 1)]
    assert files[-1].name[:4] == HEAD
    for path in files:
        begun = RELEASED.get(path.name[:4])
        assert begun is None or sha256(path.read_bytes()).hexdigest().startswith(begun), (
            f"{path.name} is released: databases that took it never take it again. Put the change into a new revision"
        )
