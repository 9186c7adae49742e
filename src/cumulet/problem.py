"""Something that is wrong with a cloud, as `status` says it. Any room may find one; it is no error of a request."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """`code`: a stable word for programs (`src/cumulet/cli/problems/codes.py` lists all). `sentence`: what is wrong.
    `advice`: what to do about it, empty when nothing can be done but wait."""

    code: str
    sentence: str
    advice: str = ""

    def __str__(self) -> str:
        """What is wrong and what to do, in one line."""
        ended = self.sentence if self.sentence.endswith((".", "!", "?")) else f"{self.sentence}."
        return f"{ended} {self.advice}".strip() if self.advice else self.sentence
