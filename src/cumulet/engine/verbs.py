"""Verbs: what can be done to a resource, each of them one value. Knows no service.

A verb says in which states it may begin, which task is under way until it ends, what it may become, and which flow sees
it to its end by when. All verbs of a noun are its state machine (`Verbs`): no other list says what is legal, what is
under way or what may be written. Nothing here touches rows: a `Verbs` gives the values of a write, and a law lets
nobody else write those columns.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Hashable, Iterable, Iterator, Mapping
from types import ModuleType
from typing import Any, Generic, TypeVar

from msgspec import Struct

ANY = None
"""Of tasks: whatever is under way."""


class Legal(Struct, frozen=True):
    """Where a verb may begin: in one of `states`, while one of `tasks` is under way (None among them: no task; `ANY`
    instead of a set: whatever is)."""

    states: frozenset[str]
    tasks: frozenset[str | None] | None


def within(*states: str, tasks: Iterable[str | None] | None = (None,)) -> Legal:
    """Legal in these states, by default while nothing is under way."""
    return Legal(frozenset(states), None if tasks is ANY else frozenset(tasks))


NOWHERE = within()
"""For a verb that makes the resource: nothing that is there may begin it."""


class Verb(Struct, frozen=True, kw_only=True):
    """One thing that is done to a resource.

    `puts`: the state that it puts the resource in when it begins; empty: the state stays.
    `task`: what is under way until it ends; empty for a verb that is over at once.
    `becomes`: what is seen at the end → the state that this makes, the usual end first; empty: the state stays.
    `fails`: the state that a failure leaves.
    `flow`: the kind of the flow that waits for the end; empty: nobody waits.
    `deadline`: the name of how long that may take, among the service's deadlines.
    """

    name: str
    legal: Legal
    puts: str = ""
    task: str = ""
    becomes: Mapping[Any, str] = {}
    fails: str = ""
    flow: str = ""
    deadline: str = ""


V = TypeVar("V", bound=Verb)


class Verbs(Generic[V]):
    """The verbs of a noun, in the order of their names. `state` and `task` name the columns that only they write; a
    noun without a column for tasks shows the task as its state."""

    def __init__(self, verbs: Iterable[V], *, state: str, task: str = "") -> None:
        self.state, self.task = state, task
        self._by_name: dict[str, V] = {}
        self._by_task: dict[str, V] = {}
        for verb in sorted(verbs, key=lambda verb: verb.name):
            if self._by_name.setdefault(verb.name, verb) is not verb:
                raise ValueError(f"two verbs are called {verb.name}")
            if verb.task and self._by_task.setdefault(verb.task, verb) is not verb:
                raise ValueError(f"{verb.name} and {self._by_task[verb.task].name} have one task: {verb.task}")

    def __iter__(self) -> Iterator[V]:
        return iter(self._by_name.values())

    def under_way(self, row: Any) -> V | None:
        """The verb that is being done to the resource of `row`."""
        return self._by_task.get(getattr(row, self.task or self.state) or "")

    def hindrance(self, verb: V, row: Any) -> tuple[str, str | None] | None:
        """Why `verb` may not begin now, as (column, what it holds); None when it may."""
        state = getattr(row, self.state)
        if state not in verb.legal.states:
            return self.state, state
        if self.task and verb.legal.tasks is not ANY and getattr(row, self.task) not in verb.legal.tasks:
            return self.task, getattr(row, self.task)
        return None

    def begun(self, verb: V) -> dict[str, str | None]:
        """What is written when `verb` begins."""
        values: dict[str, str | None] = {self.state: verb.puts} if verb.puts else {}
        if verb.task:
            values[self.task or self.state] = verb.task
        return values

    def ended(self, verb: V, seen: Hashable) -> dict[str, str | None]:
        """What is written at the end of `verb`, by what was seen. Raises KeyError for what does not end it."""
        return self._rests(verb.becomes[seen])

    def failed(self, verb: V) -> dict[str, str | None]:
        """What is written when `verb` failed. Raises ValueError for a verb that cannot."""
        if not verb.fails:
            raise ValueError(f"{verb.name} does not say what a failure leaves")
        return self._rests(verb.fails)

    def _rests(self, state: str) -> dict[str, str | None]:
        return {self.state: state, self.task: None} if self.task else {self.state: state}


def modules_of(package: str) -> list[ModuleType]:
    """The modules of a folder, imported, in the order of their names: for folders of which no list is kept by hand."""
    path = importlib.import_module(package).__path__
    return [importlib.import_module(f"{package}.{found.name}") for found in pkgutil.iter_modules(path)]


def verbs_of(package: str, shape: type[V]) -> list[V]:
    """The verbs of a folder, a file each: a file ``x.py`` holds ``X``, whose name is "x". Raises AttributeError for a
    file without, ValueError for one of another name."""
    found: list[V] = []
    for module in modules_of(package):
        name = module.__name__.rsplit(".", 1)[-1]
        verb = getattr(module, name.upper())
        if not isinstance(verb, shape) or verb.name != name:
            raise ValueError(f"{module.__name__}.{name.upper()} is not the verb {name}")
        found.append(verb)
    return found
