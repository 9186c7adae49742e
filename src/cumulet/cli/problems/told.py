"""What the controller found wrong itself and says in its report."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cumulet.cli.problems.seen import Seen
from cumulet.problem import Problem

_COMMAND = re.compile(r"\bcumulet (admin password|down|up|restore|adopt|forget)\b")
"""The controller does not know how its verbs are typed, and for which folder."""


def check(seen: Seen) -> Iterator[Problem]:
    """Each problem of the report as it came."""
    for row in (seen.report or {}).get("problems") or []:
        advice = _COMMAND.sub(lambda found: seen.command(found[1]), str(row.get("advice") or ""))
        yield Problem(str(row["code"]), str(row["sentence"]), advice)
