"""The authorisation matrix: every operation of a service × every kind of caller (security case 50).

What should be comes from the tables in ``expected/``, which were read off the originals' own answers and rules and not
off ours (see `matrix`). An operation that is declared without a request here, or without a line there, fails.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from cumulet.cli.controller import declared
from tests.assembled import Assembled
from tests.matrix import matrix
from tests.matrix.services import PARTS, name_of, version_of
from tests.matrix.world import Reply, World


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Assembled]:
    found = Assembled(tmp_path_factory.mktemp("matrix") / "state")
    yield found
    found.close()


def peopled(cloud: Assembled) -> World:
    """The world of the matrix in `cloud`."""

    def send(service: str, method: str, path: str, body: Any, headers: dict[str, str]) -> Reply:
        answer = cloud.ask(service, method, path, body=b"" if body is None else body, headers=headers)
        is_json = answer.headers.get("content-type", "").startswith("application/json")
        text = answer.body.decode()
        return Reply(answer.status, answer.headers, text, answer.json if is_json and text else text)

    found = World(send, f"http://127.0.0.1:{cloud.settings.ports.of('identity')}", cloud.admin)
    found.build()
    for part in PARTS.values():
        part.build(found)
    return found


@pytest.fixture(scope="module")
def world(cloud: Assembled) -> World:
    return peopled(cloud)


def asked(cloud: Assembled, world: World, name: str) -> dict[str, str]:
    """What the service answers to everybody, as a table."""
    service, found = declared()[name], {}

    def send(method: str, path: str, body: Any, query: str, headers: dict[str, str]) -> tuple[int, str]:
        sent = b"" if body is None else body
        answer = cloud.ask(name, method, path, body=sent, query=query, headers=headers)
        return answer.status, answer.body.decode("utf-8", "replace")

    with cloud.keeps_nothing():
        for operation, asks in PARTS[name].requests.items():
            found.update(matrix.rows(operation, asks, send, world, version_of(service, operation)))
    return found


@pytest.mark.parametrize("name", sorted(PARTS))
def test_every_operation_has_its_request(name: str) -> None:
    assert {name_of(operation) for operation in declared()[name].operations} == set(PARTS[name].requests)


@pytest.mark.parametrize("name", sorted(PARTS))
def test_who_may_do_what(cloud: Assembled, world: World, name: str) -> None:
    assert list(matrix.differences(matrix.load(name), asked(cloud, world, name))) == []
