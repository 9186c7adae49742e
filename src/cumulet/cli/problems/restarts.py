"""Processes that ended and were started again lately: the cloud looks well between two crashes."""

from __future__ import annotations

import time
from collections.abc import Iterator

from cumulet.cli.problems.seen import Seen
from cumulet.problem import Problem

LATELY_S = 3600


def check(seen: Seen) -> Iterator[Problem]:
    """A child that was restarted and began less than an hour ago."""
    for row in seen.rows:
        if row.restarts and row.pid is not None and time.time() - row.started < LATELY_S:
            often = "once" if row.restarts == 1 else f"{row.restarts} times"
            when = time.strftime("%H:%M:%SZ", time.gmtime(row.started))
            yield Problem(
                "restarts",
                f"the {row.name} was started again {often}, last at {when} (it had ended with {row.last_exit})",
                f"{seen.settings.log_dir}/{row.name}.log says why",
            )
