"""Operations are asked at each version at which their answers change, and at the one before.

What comes back is held against the declarations by `tests.answers`, as everywhere; here it is made to come back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import pytest

from cumulet.cli.controller import declared
from cumulet.http import Operation, Service
from cumulet.http.bodies import schema_of
from tests.assembled import KEYSTONES_LETTER, Assembled
from tests.matrix.asking import filled
from tests.matrix.services import PARTS, name_of
from tests.matrix.test_matrix import peopled
from tests.matrix.world import World
from tests.parity.facts import Version, version

_PARAMETER = re.compile(r"\{\*?(\w+)\}")


def marks(schema: Any) -> Iterator[Version]:
    """The versions at which something begins, or has ended, in a schema of all versions."""
    if isinstance(schema, dict):
        for name, value in schema.items():
            if name == "x-openstack-min-version":
                first = version(value)
                yield from (first, (first[0], first[1] - 1))
            elif name == "x-openstack-max-version":
                last = version(value)
                yield from (last, (last[0], last[1] + 1))
            else:
                yield from marks(value)
    elif isinstance(schema, list):
        for inner in schema:
            yield from marks(inner)


def boundaries(service: Service, operation: Operation) -> list[Version]:
    """The versions to ask the operation at."""
    assert service.microversions is not None
    least, most = service.microversions.minimum, service.microversions.maximum
    found = {operation.since or least, operation.until or most, *marks(schema_of(operation.response, None))}
    return sorted(one for one in found if least <= one <= most and operation.serves(one))


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Assembled]:
    found = Assembled(tmp_path_factory.mktemp("versions") / "state")
    yield found
    found.close()


@pytest.fixture(scope="module")
def worlds(cloud: Assembled) -> dict[str, World]:
    return peopled(cloud)


@pytest.mark.parametrize("name", ["compute", "placement"])
def test_answers_at_each_boundary(cloud: Assembled, worlds: dict[str, World], name: str) -> None:
    service, answered, asked = declared()[name], set(), set()
    with cloud.under(KEYSTONES_LETTER):
        for operation in service.operations:
            if operation.answers and operation.response is not None:
                asked.add(name_of(operation))
                found = {_asked(cloud, worlds[name], name, operation, at) for at in boundaries(service, operation)}
                if True in found:
                    answered.add(name_of(operation))
    assert len(answered) > 0.7 * len(asked), sorted(asked - answered)


def _asked(cloud: Assembled, world: World, name: str, operation: Operation, at: Version) -> bool:
    """Whether one of the requests of the matrix was answered."""
    answered = False
    for ask in PARTS[name].requests[name_of(operation)]:
        with nullcontext() if ask.kept else cloud.keeps_nothing():
            if ask.kept:
                PARTS[name].renew(world)
            ids = world.ids
            place = filled(_PARAMETER.sub(r"${\1}", operation.path), ids | filled(ask.where, ids))
            headers = {"openstack-api-version": f"{name} {at[0]}.{at[1]}", **filled(ask.headers, ids)}
            for token in (cloud.admin, world.tokens["own member"]):
                body = b"" if ask.body is None else filled(ask.body, ids)
                answer = cloud.ask(
                    name, operation.method, place, token=token, body=body, query=filled(ask.query, ids), headers=headers
                )
                answered |= answer.status < 300
    return answered
