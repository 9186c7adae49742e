"""Bob asks every operation of every service about alice's things (case 50): refused, or nothing of hers shows or moves.

Operations and requests come from what is declared and from the matrix, which fails for an operation without a request.
A parameter of a path that is not in `fields.PATHS` fails here: say there what it names.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

from cumulet.cli.controller import declared
from cumulet.http import Operation, reading
from tests.adversary.fields import FREE, PATHS, QUERIES, TOLD
from tests.adversary.town import BOBS, FIRST, Town, in_path
from tests.matrix.asking import Ask, filled
from tests.matrix.services import PARTS, name_of, version_of

_PARAMETER = re.compile(r"\{\*?(\w+)\}")


def requests(service: str) -> Iterator[tuple[Operation, str, Ask]]:
    """Each operation with each request that the matrix knows for it."""
    for operation in declared()[service].operations:
        name = name_of(operation)
        for ask in PARTS[service].requests.get(name, [Ask()]):
            yield operation, f"{name} ({ask.label})" if ask.label else name, ask


def places(town: Town, service: str, operation: Operation, ask: Ask) -> Iterator[dict[str, Any]]:
    """Values for the path: all of alice's; and where it has several, each mixture of hers with bob's that has one of
    hers."""
    ids = town.ids(service)
    hers = {name: filled(ask.where, ids).get(name, ids.get(name)) for name in operation.path_parameters}
    swaps = [
        [(name, hers[name])] + ([(name, town.mine[name])] if name in town.mine and PATHS[service].get(name) else [])
        for name in hers
    ]
    for chosen in itertools.product(*swaps):
        found = dict(chosen)
        if not hers or found == hers or any(found[name] == hers[name] and PATHS[service].get(name) for name in found):
            yield found


@pytest.mark.parametrize("service", sorted(PARTS))
def test_every_parameter_of_a_path_is_known(service: str) -> None:
    known = PATHS[service]
    for operation in declared()[service].operations:
        for name in operation.path_parameters:
            assert name in known, (
                f"{name_of(operation)}: {name} is new. Say in tests/adversary/fields.py, PATHS, whether it names a "
                "thing that belongs to somebody; if so, let tests/matrix make one of it for the project own"
            )
    asked = {name for operation in declared()[service].operations for name in operation.path_parameters}
    assert known.keys() <= asked, "PATHS names parameters that no path has"


@pytest.mark.parametrize("who", BOBS)
@pytest.mark.parametrize("service", sorted(PARTS))
def test_alices_ids_in_every_path(town: Town, service: str, who: str) -> None:
    """Finding S3's class, cases 30 and 50."""
    faults, asked = [], 0
    for operation, name, ask in requests(service):
        ids = town.ids(service)
        headers = {**version_of(declared()[service], name_of(operation)), **filled(ask.headers, ids)}
        path = _PARAMETER.sub(r"${\1}", operation.path)
        for place in places(town, service, operation, ask):
            asked += 1
            answer, found = town.judged(
                service,
                operation.method,
                filled(path, place),
                filled(ask.body, ids),
                who=who,
                query=filled(ask.query, ids),
                headers=headers,
            )
            found = [each for each in found if not free(service, name, each)]
            faults += [f"{name} {place}: {answer.status}, {each}" for each in found]
            if answer.status >= 500:
                faults.append(f"{name} {place}: {answer.status}")
    assert not faults, "\n".join(faults)
    assert asked > 20


# ---- queries


class Recording(dict[str, list[str]]):
    """A query that remembers which names a handler looks for."""

    names: ClassVar[set[str]] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.names.add(name)
        return super().get(name, default)

    def __getitem__(self, name: str) -> list[str]:
        self.names.add(name)
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        self.names.add(str(name))
        return super().__contains__(name)


@pytest.mark.parametrize("service", sorted(PARTS))
def test_every_name_in_a_query_is_known(town: Town, service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    parse = reading.parameters
    monkeypatch.setattr(reading, "parameters", lambda raw: Recording(parse(raw)))
    Recording.names.clear()
    for operation, _, ask in requests(service):
        if operation.method == "GET":
            headers = version_of(declared()[service], name_of(operation))
            for who in (FIRST, "near member"):
                town.ask(service, "GET", in_path(operation, ask, town.ids(service)), who=who, headers=headers)
    assert sorted(Recording.names - QUERIES[service].keys()) == [], (
        "say in tests/adversary/fields.py, QUERIES, which thing these name, or that they name nothing of a tenant's"
    )
    assert len(Recording.names) > 5


def queries(town: Town, service: str) -> Iterator[tuple[str, str]]:
    """Queries with something of alice's in them, and the same with something that is nobody's."""
    for name, names in QUERIES[service].items():
        if names is None:
            continue
        owner, _, thing = names.thing.partition(":")
        hers = str(town.ids(owner)[thing])
        other = re.sub(r"\w", lambda letter: {"0": "1"}.get(letter[0], "0" if letter[0].isdigit() else "c"), hers)
        for value in [hers, *[each for each in town.ids(service).values() if each in town.marks and name == "marker"]]:
            yield f"{name}={str(names.value).replace('$', value)}", f"{name}={str(names.value).replace('$', other)}"


@pytest.mark.parametrize("service", sorted(PARTS))
def test_alices_ids_in_every_query(town: Town, service: str) -> None:
    """Finding S15's class, case 50. An answer does not tell hers from what is nobody's either."""
    faults, asked = [], 0
    for operation, name, ask in requests(service):
        if operation.method != "GET" or (operation.path_parameters and operation.path.endswith("}")):
            continue
        headers = version_of(declared()[service], name_of(operation))
        path = in_path(operation, ask, {**town.ids(service), **town.mine})
        before = filled(ask.query, town.ids(service)) if ask.query else ""
        for hers, nobodys in queries(town, service):
            asked += 1
            told = []
            for query in (hers, nobodys):
                query = f"{before}&{query}".lstrip("&")
                answer, found = town.judged(service, "GET", path, query=query, headers=headers)
                told.append(answer.status)
                found = [each for each in found if not free(service, name, each)]
                faults += [f"{name}?{query}: {answer.status}, {each}" for each in found]
            if told[0] != told[1] and f"{name}?{hers.partition('=')[0]}" not in TOLD:
                faults.append(f"{name}?{hers}: {told[0]}, and {told[1]} for what is nobody's")
    assert not faults, "\n".join(faults)
    assert asked > 20


def free(service: str, name: str, what: str) -> bool:
    """Whether a finding is meant to be so."""
    return any(re.search(pattern, f"{service} {name}: {what}") for pattern in FREE)
