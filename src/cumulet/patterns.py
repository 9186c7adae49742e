"""Regular expressions that come from outside: a caller's filter, a row that a tenant wrote, the deployer's settings.

RE2 matches them, in time linear in the text, and with a bound on the size of what a pattern compiles to; what has no
such bound (look-around, back-references, huge counts) is refused. Python's `re` must never see such a text: one of
25 letters can hold the interpreter for hours. See decisions/0026-re2-matches-what-callers-write.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import re2

LONGEST = 1024
"""Letters of a pattern."""

MOST_STEPS = 1000
"""Instructions of a compiled pattern: at most so many steps are done for each byte of a text."""

_MOST_MEMORY = 1 << 20  # bytes for a compiled pattern with its automaton
_KEPT = 32  # compiled patterns
_ANYWHERE, _AT_START = re2._Anchor.UNANCHORED, re2._Anchor.ANCHOR_START
_NOT_FOUND = (-1, -1)


class Refused(ValueError):
    """The text is no pattern, or none that can be matched within the bounds. The message says why."""


class Pattern:
    """A compiled pattern. `steps`: the bound on what is done for each byte of a text. Any text may be asked about.

    `by_bytes`: a letter beyond ASCII is several to the pattern, which compiles to much less; for those that have no
    counts of letters. Raises `Refused`.
    """

    __slots__ = ("_find", "steps", "text")

    def __init__(self, text: str, *, ignore_case: bool = False, by_bytes: bool = False) -> None:
        if len(text) > LONGEST:
            raise Refused(f"it is longer than {LONGEST} letters")
        options = re2.Options()
        options.max_mem, options.log_errors, options.never_capture = _MOST_MEMORY, False, True
        options.case_sensitive = not ignore_case
        if by_bytes:
            options.max_mem, options.encoding = _MOST_MEMORY // 8, re2.Options.Encoding.LATIN1
        try:
            regexp = re2.compile(text.encode(), options)
        except UnicodeEncodeError:
            raise Refused("it holds what is no character") from None
        except re2.error as error:
            raise Refused(_words(error)) from None
        finally:
            re2.purge()  # only ours are kept: a hundred of the largest ones would be a hundred megabytes
        self.text = text
        self.steps = max(regexp.programsize, regexp.reverseprogramsize)
        if self.steps > MOST_STEPS:
            raise Refused("it is too large")
        self._find = regexp._regexp.Match  # the package's `search` around it costs three times as much

    def search(self, text: str) -> bool:
        """Whether some part of the text is of this form."""
        raw = text.encode("utf-8", "replace")
        return bool(self._find(_ANYWHERE, raw, 0, len(raw))[0] != _NOT_FOUND)

    def match(self, text: str) -> bool:
        """Whether the text begins with this form."""
        raw = text.encode("utf-8", "replace")
        return bool(self._find(_AT_START, raw, 0, len(raw))[0] != _NOT_FOUND)


def escaped(text: str) -> str:
    """A pattern that stands for `text` itself."""
    return str(re2.escape(text))


def _words(error: Exception) -> str:
    said = error.args[0]
    return said.decode("utf-8", "replace")[:200] if isinstance(said, bytes) else str(said)[:200]


@lru_cache(maxsize=_KEPT)
def compiled(text: str, *, ignore_case: bool = False) -> Pattern:
    """The pattern, compiled once while it is in use. Raises `Refused`."""
    return Pattern(text, ignore_case=ignore_case)


class Form:
    """A pattern that a text has to begin with, and that may open with conditions in the way of look-aheads.

    Keystone's documentation has ``^(?=.*\\d)(?=.*[a-zA-Z]).{7,}$`` for passwords. RE2 has no look-ahead, but those at
    the beginning are patterns of their own about the same text. Raises `Refused`.
    """

    def __init__(self, text: str) -> None:
        conditions, rest = _opening(text)
        self._conditions = [(wanted, Pattern(condition)) for wanted, condition in conditions]
        self._rest = Pattern(rest)

    def match(self, text: str) -> bool:
        """Whether the text is of this form."""
        return all(one.match(text) == wanted for wanted, one in self._conditions) and self._rest.match(text)


@lru_cache(maxsize=_KEPT)
def form(text: str) -> Form:
    """The form, compiled once while it is in use. Raises `Refused`."""
    return Form(text)


def _opening(text: str) -> tuple[Sequence[tuple[bool, str]], str]:
    """The conditions at the beginning, whether each is to hold, and what comes behind them."""
    found: list[tuple[bool, str]] = []
    rest = text.removeprefix("^")
    while rest.startswith(("(?=", "(?!")):
        end = _ends(rest, ")")
        if end is None:
            raise Refused("missing )")
        found.append((rest[2] == "=", rest[3:end]))
        rest = rest[end + 1 :]
    if not found or _ends(rest, "|") is not None:  # before an alternative, conditions would be about a part of it
        return [], text
    return found, rest


def _ends(text: str, sign: str) -> int | None:
    """Where `sign` stands outside of brackets; a closing bracket: the one of the bracket that the text begins with."""
    depth, place = 0, 0
    while place < len(text):
        letter = text[place]
        if letter == "\\":
            place += 1
        elif letter == "[":
            place = _closed(text, place)
        elif letter == "(":
            depth += 1
        elif letter == ")":
            depth -= 1
        if depth == 0 and letter == sign:
            return place
        place += 1
    return None


def _closed(text: str, place: int) -> int:
    """Where the class that begins at `place` ends; the text's end when it does not."""
    place += 3 if text[place + 1 : place + 2] == "^" else 2  # a bracket at its beginning is one of its letters
    if text[place - 1 : place] == "\\":
        place += 1
    while place < len(text) and text[place] != "]":
        place += 2 if text[place] == "\\" else 1
    return place
