"""Whether a commit's message has the form that CONTRIBUTING.md asks for: ``python -m tests.commit_message FILE``."""

from __future__ import annotations

import re
import sys
from pathlib import Path

LONGEST_TITLE = 72
_NOT_IMPERATIVE = re.compile(r"(?i)(\w+(ed|ing)|wip|fixup!|squash!|merge)\b")
_IMPERATIVES = frozenset({"Bring", "Embed", "Exceed", "Feed", "Need", "Proceed", "Ring", "Seed", "Shed", "Speed"})
_PREFIX = re.compile(r"^\w+(\([\w-]+\))?!?: ")


def faults(message: str) -> list[str]:
    """What is wrong with it, a sentence each."""
    lines = [line for line in message.rstrip().split("\n") if not line.startswith("#")]
    title = lines[0] if lines else ""
    first = title.split(" ", 1)[0]
    found = []
    if not title:
        return ["It has no title."]
    if len(title) > LONGEST_TITLE:
        found.append(f"Its title has {len(title)} characters; {LONGEST_TITLE} fit.")
    if title.endswith("."):
        found.append("Its title ends with a full stop.")
    if _PREFIX.match(title):
        found.append("Its title begins with a prefix: begin with the verb.")
    elif not first[:1].isupper():
        found.append("Its title does not begin with a capital letter.")
    elif _NOT_IMPERATIVE.match(first) and first not in _IMPERATIVES:
        found.append(f"Its title begins with {first!r}: say what the commit does, as an order.")
    if len(lines) > 1 and lines[1]:
        found.append("An empty line belongs between title and body.")
    return found


def main(words: list[str]) -> int:
    """0 when the message is fine; else its faults on the standard error output."""
    found = faults(Path(words[0]).read_text(encoding="utf-8"))
    for fault in found:
        print(f"commit message: {fault}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
