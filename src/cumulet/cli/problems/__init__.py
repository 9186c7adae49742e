"""What can be wrong with a cloud: one file per check, `CHECKS` names them all, `find` asks them.

A check looks at what was `Seen` and at files, costs milliseconds, changes nothing and says each problem once, in the
present: what is mended is gone the next time. Problems that only the controller can see are found there
(`LinkContext.problems`) and arrive in its report.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from cumulet.cli.problems import belonging, certificates, database, disk, files, hosts, restarts, running, secrets, told
from cumulet.cli.problems.codes import CODES, rank
from cumulet.cli.problems.seen import Seen
from cumulet.problem import Problem

Check = Callable[[Seen], Iterable[Problem]]

CHECKS: tuple[Check, ...] = (
    belonging.check,
    running.check,
    told.check,
    database.check,
    disk.check,
    secrets.check,
    certificates.check,
    hosts.check,
    files.check,
    restarts.check,
)


def find(seen: Seen) -> list[Problem]:
    """Everything that is wrong, the worst first, each sentence once. A check that does not work is a problem, too."""
    found: dict[str, Problem] = {}
    for check in CHECKS:
        try:
            for problem in check(seen):
                found.setdefault(problem.sentence, problem)
        except Exception as error:  # one check must not hide what the others found
            name = check.__module__.rpartition(".")[2]
            sentence = f"the check of {name} did not work: {type(error).__name__}: {error}"
            found[sentence] = Problem("check-failed", sentence)
    return sorted(found.values(), key=lambda problem: rank(problem.code))


__all__ = ["CHECKS", "CODES", "Check", "Problem", "Seen", "find"]
