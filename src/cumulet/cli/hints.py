"""What to type next, in the words that work for who reads it."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterable
from pathlib import Path

from cumulet.config import DEFAULT_STATE


def name() -> str:
    """What the user types for us: the launcher of a checkout, the installed command, or Python's switch -m."""
    if os.environ.get("CUMULET_ROOT"):
        return "./cumulet"
    return "python -m cumulet" if Path(sys.argv[0]).name == "__main__.py" else "cumulet"


def command(words: str, state: Path) -> str:
    """``cumulet WORDS``, with the state folder when it is not the one that is taken without a word."""
    verb, _, rest = words.partition(" ")
    usual = Path(os.environ.get("CUMULET_STATE") or DEFAULT_STATE).expanduser().absolute()
    where = "" if state == usual else f" --state {shlex.quote(str(state))}"
    return f"{name()} {verb}{where}{' ' + rest if rest else ''}"


def meant(word: str, known: Iterable[str], question: str = "did you mean {}?") -> str:
    """``; did you mean X?`` for the nearest of `known`, or nothing when none is near."""
    import difflib  # imported here: most commands are typed right

    near = difflib.get_close_matches(word, list(known), 1, 0.6)
    return f"; {question.format(near[0])}" if near else ""
