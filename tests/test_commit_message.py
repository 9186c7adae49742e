"""The form of commit messages, as the hook of `.pre-commit-config.yaml` looks at it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commit_message import faults, main


@pytest.mark.parametrize(
    "message",
    [
        "Make a searchable site of the guides\n\nMarkdown was all there was.\n",
        "Feed the cache\n# what git adds, which is no part of it\n",
        "Bring rows of before along",
        "A" + "a" * 71,
    ],
)
def test_a_good_message(message: str, tmp_path: Path) -> None:
    assert faults(message) == []
    (tmp_path / "message").write_text(message)
    assert main([str(tmp_path / "message")]) == 0


@pytest.mark.parametrize(
    ("message", "fault"),
    [
        ("", "no title"),
        ("# only a comment\n", "no title"),
        ("A" + "a" * 72, "73 characters"),
        ("Make a site.", "full stop"),
        ("docs: make a site", "prefix"),
        ("fix(image)!: make a site", "prefix"),
        ("make a site", "capital"),
        ("Added a site", "'Added'"),
        ("Making a site", "'Making'"),
        ("Merge branch 'one' into two", "'Merge'"),
        ("WIP", "'WIP'"),
        ("Make a site\nof the guides", "empty line"),
    ],
)
def test_a_bad_message(message: str, fault: str, tmp_path: Path) -> None:
    (found,) = faults(message)
    assert fault in found
    (tmp_path / "message").write_text(message)
    assert main([str(tmp_path / "message")]) == 1
