"""Whether the controller, its nodes and the folder belong together, and what nodes keep that nobody here knows."""

from __future__ import annotations

from collections.abc import Iterator

from cumulet.cli import belonging
from cumulet.cli.problems.seen import Seen
from cumulet.problem import Problem


def check(seen: Seen) -> Iterator[Problem]:
    """What is foreign; then what is only strange: kept by a node that takes our word otherwise."""
    report = seen.report or {}
    yield from belonging.foreign(report, seen.state)
    strange = [row for row in report.get("kept") or [] if row["why"] == "strange"]
    if strange:
        what = ", ".join(f"{row['count']} {row['kind']}{'s' if row['count'] > 1 else ''}" for row in strange)
        advice = f"{seen.command('adopt')} takes them over, {seen.command('forget')} lets go of them"
        yield Problem("kept", f"nodes keep what this cloud does not know: {what}", advice)
