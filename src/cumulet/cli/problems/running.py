"""Whether the processes run and the APIs answer."""

from __future__ import annotations

from collections.abc import Iterator

from cumulet.cli import processes
from cumulet.cli.problems.seen import Seen
from cumulet.problem import Problem

SLOW_MS = 1000


def check(seen: Seen) -> Iterator[Problem]:
    """Processes that are missing, APIs that are silent or slow, a controller that does not report."""
    log = seen.settings.log_dir
    if seen.rows and not (seen.settings.run_dir / "supervisor.lock").exists():
        sentence = f"{seen.settings.run_dir}/supervisor.lock is gone: a second start could take the cloud for stopped"
        yield Problem("lock-lost", sentence, f"{seen.command('down')}, then up again")
    for row in seen.rows:
        if row.pid is None:
            ended = f" (it ended with {row.last_exit})" if row.last_exit else ""
            advice = f"{log}/{row.name}.log says why"
            if row.given_up:
                why = processes.last_words(seen.settings, row.name)
                ended, advice = f": {why}" if why else ended, f"Mend that; {seen.command('up')} starts it again"
            yield Problem("process-down", f"the {row.name} is not running{ended}", advice)
    for endpoint in seen.endpoints:
        if not endpoint.answers:
            sentence = f"{endpoint.service} does not answer on {endpoint.url}: {endpoint.error}"
            yield Problem("endpoint-silent", sentence, f"{log}/controller.log says why")
        elif endpoint.ms is not None and endpoint.ms > SLOW_MS:
            yield Problem("endpoint-slow", f"{endpoint.service} took {endpoint.ms:.0f} ms to answer")
    if seen.rows and seen.report is None:
        why = f": {seen.silence}" if seen.silence else ""
        yield Problem("controller-silent", f"the controller does not say how its nodes are{why}")
