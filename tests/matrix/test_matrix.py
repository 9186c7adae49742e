"""The authorisation matrix: every operation of a service × every kind of caller (security case 50).

What should be comes from the tables in ``expected/``, which were read off the originals' own answers and rules and not
off ours (see `matrix`). An operation that is declared without a request here, or without a line there, fails.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest

from cumulet.cli.controller import declared
from tests.assembled import KEYSTONES_LETTER, Assembled
from tests.matrix import matrix
from tests.matrix.personas import PERSONAS
from tests.matrix.services import PARTS, name_of, version_of
from tests.matrix.world import Reply, World


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Assembled]:
    found = Assembled(tmp_path_factory.mktemp("matrix") / "state")
    yield found
    found.close()


def peopled(cloud: Assembled) -> dict[str, World]:
    """The world of the matrix in `cloud`, as each service's requests see it."""

    def send(service: str, method: str, path: str, body: Any, headers: dict[str, str]) -> Reply:
        answer = cloud.ask(service, method, path, body=b"" if body is None else body, headers=headers)
        is_json = answer.headers.get("content-type", "").startswith("application/json")
        text = answer.body.decode()
        return Reply(answer.status, answer.headers, text, answer.json if is_json and text else text)

    found = World(send, f"http://127.0.0.1:{cloud.settings.ports.of('identity')}", cloud.admin)
    found.build()
    worlds = {name: replace(found, ids=dict(found.ids)) for name in PARTS}
    with cloud.under(KEYSTONES_LETTER):  # much of it is made by the admin of *own*
        for name, part in PARTS.items():
            part.build(worlds[name])
    return worlds


@pytest.fixture(scope="module")
def worlds(cloud: Assembled) -> dict[str, World]:
    return peopled(cloud)


def asked(cloud: Assembled, world: World, name: str) -> dict[str, str]:
    """What the service answers to everybody, as a table."""
    service, found = declared()[name], {}

    def send(method: str, path: str, body: Any, query: str, headers: dict[str, str]) -> tuple[int, str]:
        sent = b"" if body is None else body
        answer = cloud.ask(name, method, path, body=sent, query=query, headers=headers)
        return answer.status, answer.body.decode("utf-8", "replace")

    known = {name_of(operation) for operation in service.operations}
    for operation, asks in PARTS[name].requests.items():
        if operation not in known:
            continue  # declared in another release
        headers = version_of(service, operation)
        for ask in asks:
            with nullcontext() if ask.kept else cloud.keeps_nothing():
                found[matrix.key(operation, ask)] = matrix.row(operation, ask, send, world, headers, PARTS[name].renew)
    return found


@pytest.mark.parametrize("name", sorted(PARTS))
def test_every_operation_has_its_request(name: str) -> None:
    requests = PARTS[name].requests
    assert {name_of(operation) for operation in declared()[name].operations} - requests.keys() == set()
    lines = {matrix.key(operation, ask) for operation, asks in requests.items() for ask in asks}
    assert lines ^ matrix.load(name).keys() == set(), "a request without its line, or a line without its request"


@pytest.mark.parametrize("name", sorted(PARTS))
def test_who_may_do_what(cloud: Assembled, worlds: dict[str, World], name: str) -> None:
    """By default: nobody whose role admin is on a customer's domain or project gets beyond it (finding S5)."""
    table = matrix.safe(matrix.load(name))
    assert list(matrix.differences(table, asked(cloud, worlds[name], name))) == []


@pytest.mark.parametrize("name", sorted(PARTS))
def test_who_may_do_what_by_keystones_letter(cloud: Assembled, worlds: dict[str, World], name: str) -> None:
    """With one line in policy.yaml, as the originals answer."""
    with cloud.under(KEYSTONES_LETTER):
        assert list(matrix.differences(matrix.load(name), asked(cloud, worlds[name], name))) == []


FOR_OTHERS = re.compile(
    # Meant for others, as the label says; a role's name is no secret.
    r"\((shared|community|public|member|external|in a shared network)\)$"
    r"|^(GET|POST) /(versions|v1.*|v2|v2\.0|v3)?$|^GET /v2/(schemas|info)/|^GET /v2/metadefs/resource_types$"
    r"|^GET /(v2\.0/tenants|v3/(auth/|limits/model|regions|registered_limits|OS-FEDERATION/(projects|domains)))"
    r"|^POST /(v2\.0|v3/auth)/tokens$|^POST /v3/users/\{user_id\}/password$"  # with a password, which they know
    r"|^GET /v3/domains/\{domain_id\}$"  # near is in the same domain
    r"|^GET /v3/roles$"  # what a manager of a domain grants there
    r"|^POST /v2/images( \(community\))?$"  # an image of their own
    r"|^POST /v2\.0/(networks|routers|floatingips|security-groups)$"  # and the same
    r"|^GET /v2\.0/(extensions|availability_zones$|service-providers$)"
    r"|^GET /v2\.1$|^GET /v2\.1/(extensions|flavors|limits$|os-availability-zone$|os-keypairs$|.*/defaults$)"
    r"|^POST /v2\.1/(servers|os-keypairs)$"
    r"|^(GET|PUT) /v2/images/\{image_id\}/members"  # of an image that is shared with near
)


def inside(table: dict[str, str], others: set[int]) -> set[str]:
    """Lines in which one of the personas with these numbers is allowed."""
    return {line for line, cells in table.items() if any(cells.replace(" ", "")[at] == "+" for at in others)}


@pytest.mark.parametrize("name", sorted(PARTS))
def test_what_is_owns_is_closed_to_other_projects(name: str) -> None:
    """The tables themselves: who is in another project and no administrator gets nowhere, but for what is above."""
    others = {
        number
        for number, persona in enumerate(PERSONAS)
        if persona.group in ("no role", "near", "far") and persona.role != "admin"
    }
    table = matrix.load(name)
    found = inside(table, others)
    assert sorted(line for line in found if not FOR_OTHERS.search(line)) == []
    assert len(found) < len(table) / 2, "the exceptions are no rule"


@pytest.mark.parametrize("name", sorted(PARTS))
def test_by_default_what_is_owns_is_closed_to_other_administrators(name: str) -> None:
    """Those of another project, and of another domain (finding S5): what they may, its members and managers may."""
    admins = {
        number
        for number, persona in enumerate(PERSONAS)
        if persona.group in ("near", "far", "far domain") and persona.role == "admin"
    }
    table = matrix.load(name)
    assert sorted(line for line in inside(table, admins) if not FOR_OTHERS.search(line)) != [] or name == "placement"
    found = inside(matrix.safe(table), admins)
    assert sorted(line for line in found if not FOR_OTHERS.search(line)) == []


def test_a_difference_is_told() -> None:
    table = matrix.load("placement")
    line = "GET /resource_providers"
    opened = {**table, line: table[line].replace("3", "+", 1)}
    assert list(matrix.differences(table, opened)) == [f"{line}: no role has '+' and should have '3'"]
    (new,) = matrix.differences(table, {**table, "GET /new": table[line]})
    assert new.startswith("GET /new: has no line in the table")
