"""What the controller found wrong itself and says in its report."""

from __future__ import annotations

from collections.abc import Iterator

from cumulet.cli.problems.seen import Seen
from cumulet.problem import Problem


def check(seen: Seen) -> Iterator[Problem]:
    """Each problem of the report as it came."""
    for row in (seen.report or {}).get("problems") or []:
        yield Problem(str(row["code"]), str(row["sentence"]), str(row.get("advice") or ""))
