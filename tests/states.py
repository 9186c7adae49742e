"""``python -m tests.states``: draw `docs/server-states.md` from the verbs of a server.

The page is what the source says, so it is never edited by hand; a law compares the two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from cumulet.engine.verbs import ANY
from cumulet.services.compute import states
from cumulet.services.compute.verb import ServerVerb
from cumulet.services.compute.verbs import VERBS

COMMAND = "PYTHONPATH=src python -m tests.states"
PAGE = Path(__file__).parents[1] / "docs" / "server-states.md"

Column = Callable[[ServerVerb], str]
"""A cell of a verb's row."""

_POWER = {number: name for name, number in states.POWER_STATES.items()} | {states.NO_STATE: "gone"}
_TOP = f"""# States of a server

Drawn from `src/cumulet/services/compute/verbs` by `{COMMAND}`; not written by hand.

Each row is a verb, a file of its name. It may begin in these states (`OS-EXT-STS:vm_state`), while no task is under way
unless others are named. Its task (`OS-EXT-STS:task_state`) stands until the guest's node reports what is wanted, the
node reports a failure, or the deadline passes, an option of the configuration. What a server becomes follows from the
power state that the report shows.
"""


def drawn() -> str:
    """The page."""
    asked = [verb for verb in VERBS if verb.event]
    alone = [verb for verb in VERBS if not verb.event and verb.becomes]
    looks = [verb for verb in VERBS if not verb.becomes]
    parts = [_TOP, "## What clients ask for\n", *_table(asked, _ASKED), "\n## What happens without their asking\n"]
    parts += [*_table(alone, _ALONE), "\n## What only needs a state\n", *_table(looks, _LOOKS)]
    parts += ["\n## The usual ways", "\nWithout failures, and without ends that are not the usual one.\n"]
    return "\n".join([*parts, *_diagram(VERBS)]) + "\n"


def _table(verbs: Iterable[ServerVerb], columns: Mapping[str, Column]) -> Iterator[str]:
    yield _row(*columns)
    yield "|" + "---|" * len(columns)
    for verb in verbs:
        yield _row(*(column(verb) for column in columns.values()))


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _code(text: str) -> str:
    return text and f"`{text}`"


def _begins(verb: ServerVerb) -> str:
    if not verb.legal.states:
        return "(makes the server)"
    where = ", ".join(state for state in states.ALIVE if state in verb.legal.states)
    if verb.legal.tasks is ANY:
        return f"{where}; during any task"
    tasks = sorted(task for task in verb.legal.tasks if task)
    return f"{where}; also during {', '.join(map(_code, tasks))}" if tasks else where


def _wanted(verb: ServerVerb) -> str:
    if verb.want is None:
        return "none"
    changes = [f"{column}: {value}" for column, value in verb.want.items()]
    return ", ".join([*changes, f"{verb.counts} + 1"] if verb.counts else changes)


def _becomes(verb: ServerVerb) -> str:
    ends: dict[str, list[str]] = {}
    for seen, state in verb.becomes.items():
        ends.setdefault(state, []).append(_POWER[seen])
    return "; ".join(f"{', '.join(seen)} → {state}" for state, seen in ends.items())


_LOOKS: Mapping[str, Column] = {"verb": lambda verb: verb.name, "begins in": _begins}
_ALONE = {**_LOOKS, "guest wanted": _wanted, "report": lambda verb: verb.report, "becomes": _becomes}
_ASKED = {
    "verb": lambda verb: verb.name,
    "action, event": lambda verb: f"{verb.action}, `{verb.event}`",
    "begins in": _begins,
    "task": lambda verb: _code(verb.task),
    "guest wanted": _wanted,
    "report": lambda verb: verb.report,
    "becomes": _becomes,
    "a failure leaves": lambda verb: verb.fails,
    "deadline": lambda verb: f"`{verb.deadline}_seconds`",
}


def _diagram(verbs: Iterable[ServerVerb]) -> Iterator[str]:
    arrows: dict[tuple[str, str], list[str]] = {}
    for verb in verbs:
        if not verb.becomes:
            continue
        sources = [state for state in states.ALIVE if state in verb.legal.states]
        if len(sources) == len(states.ALIVE):
            sources = ["every_state"]
        end, *_ = verb.becomes.values()
        if verb.puts:
            arrows.setdefault(("[*]", verb.puts), []).append(verb.name)
        for source in [verb.puts] if verb.puts else sources or ["[*]"]:
            arrows.setdefault((source, end), []).append(verb.name)
    yield "```mermaid"
    yield "stateDiagram-v2"
    for (source, end), names in arrows.items():
        yield f"    {source} --> {end}: {', '.join(names)}"
    yield "```"


if __name__ == "__main__":
    PAGE.write_text(drawn())
