"""Every change of the tables is in the newest revision, and what has been released stays as it was."""

from __future__ import annotations

import ast
import difflib
import re
from hashlib import sha256

from cumulet.db import metadata
from cumulet.db.schema import HEAD, MIGRATIONS
from tests import databases, revise
from tests.db import shapes
from tests.laws.source import ROOT

MOST_LINES = 250
"""Of a revision since the first ones: one that needs more is two."""
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


def test_later_revisions_are_small_and_dated() -> None:
    for path in (path for path in (MIGRATIONS / "versions").glob("[0-9]*.py") if path.name[:4] > "0002"):
        text = path.read_text()
        said = ast.get_docstring(ast.parse(text)) or ""
        assert re.search(r"^Date: \d{4}-\d{2}-\d{2}\b", said, re.M), f"{path.name} does not say when it was begun"
        assert len(text.splitlines()) <= MOST_LINES, f"{path.name} is too long for one step"


def test_clouds_of_every_release_are_there_to_be_upgraded() -> None:
    """Filled ones, on both databases (`tests/upgrades/test_upgrades.py`). 0.1.0 is there as the commits that it had."""
    releases = re.findall(r"^## (\d+\.\d+\.\d+) - ", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert releases
    kept = {path.name for path in (ROOT / "tests" / "upgrades").glob("*.tar.gz")}
    wanted = {f"{name}-{kind}.tar.gz" for name in releases if name != "0.1.0" for kind in databases.KINDS}
    if HEAD not in RELEASED:  # until the tables change after a release, its clouds are not of before
        assert wanted <= kept, "PYTHONPATH=src python -m tests.upgrades.make CHECKOUT RELEASE"
