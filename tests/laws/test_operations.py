"""Every operation of every service: documented, under a rule of policy that exists, closed to strangers."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from cumulet.auth import Policy
from cumulet.cli import state_folder
from cumulet.cli.controller import Controller, assemble
from cumulet.config import Settings
from cumulet.http import Operation, Service
from cumulet.http.bodies import schema_of
from tests.laws.source import PACKAGE

HANDLER_LINES = 27
OPENSTACKS = {"identity", "image", "compute", "placement", "network"}
MOST_BY_HAND = 46
NO_RULE = {
    # Keystone has no rule for these: whoever has a valid token may look at what the token gives, or end it.
    "identity": re.compile(r"^/v3/(auth/|users/\{user_id\}/password$)"),
    # Open to every valid token, as in the originals: they tell what the API can do.
    "compute": re.compile(r"^/v2\.1/?$|^/v2\.1/extensions|^/v2\.1/flavors(/detail|/\{flavor_id\})?$"),
    "network": re.compile(r"^/v2\.0/?$|^/v2\.0/extensions"),
    "image": re.compile(r"^/v2/schemas|^/v2/info"),
}
OPEN = {
    # A password is changed with the old one, as it may have expired. The list of revoked tokens is gone for everyone.
    "identity": re.compile(
        r"^/$|^/v3/?$|^/v3/auth/tokens(/OS-PKI/revoked)?$|^/v3/users/\{user_id\}/password$|^/v2\.0(/tokens)?$"
        # Where consumers sign their requests, and clients of OAuth 2.0 say who they are.
        r"|^/v3/OS-OAUTH1/(request|access)_token$|^/v3/OS-OAUTH2/token$"
        # Where federated users log in, and what tells that SAML is not configured.
        r"|^/v3/(auth/)?OS-FEDERATION/(.*/auth$|.*websso|saml2)"
    ),
    "compute": re.compile(r"^/$|^/v2/?$|^/v2\.1/?$"),
    "network": re.compile(r"^/$|^/v2\.0/?$"),
    "image": re.compile(r"^/$|^/versions|^/v2/?$|^/v1(/|$)"),
    "placement": re.compile(r"^/$"),
    "console": re.compile(r""),  # its own tokens, tried in its own tests
    "metadata": re.compile(r""),  # signatures, tried in its own tests
    "link": re.compile(r""),  # credentials of links, tried in its own tests
}


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory) -> Controller:
    state = tmp_path_factory.mktemp("cloud") / "state"
    state_folder.create(state)
    state_folder.furnish(state, None, node_too=True)
    settings = Settings.resolve(state, {"simulated": 1, "port_base": 30000}, {})
    settings.save()
    return assemble(settings)


def services(controller: Controller) -> dict[str, tuple[int, Service, Policy]]:
    return {m.service.type: (port, m.service, m.policy) for port, m in controller.app.mounts.items()}  # type: ignore[union-attr]


def operations(controller: Controller) -> Iterator[tuple[int, Operation, Policy]]:
    for port, service, policy in services(controller).values():
        for operation in service.operations:
            yield port, operation, policy


def test_there_are_services(controller: Controller) -> None:
    found = services(controller)
    assert {"identity", "image", "compute", "placement", "network", "metadata", "console", "link"} == set(found)
    assert sum(1 for _ in operations(controller)) > 250


def test_every_operation_says_what_it_does(controller: Controller) -> None:
    assert [o.name for _, o, _ in operations(controller) if not o.summary.endswith(".")] == []


def test_every_operation_has_a_rule_that_exists(controller: Controller) -> None:
    without, unknown = [], []
    for _, operation, policy in operations(controller):
        if not operation.auth:
            if not OPEN[operation.service].search(operation.path):
                without.append(f"{operation.method} {operation.path} is open")
            continue
        rule = operation.policy or operation.policy_in_handler
        excused = NO_RULE.get(operation.service)
        if rule is None and not (excused and excused.search(operation.path)):
            without.append(f"{operation.name} {operation.method} {operation.path}")
        elif rule is not None and rule not in policy.defaults:
            unknown.append(f"{operation.name}: {rule}")
    assert (without, unknown) == ([], [])


def test_rules_are_checked_where_they_are_declared(controller: Controller) -> None:
    """The number may only fall: a `target` says what a rule is checked on."""
    by_hand = [o.name for _, o, _ in operations(controller) if o.policy_in_handler is not None]
    assert len(by_hand) <= MOST_BY_HAND
    assert [
        o.name for _, o, _ in operations(controller) if o.policy is not None and o.policy_in_handler is not None
    ] == []


def test_every_key_that_says_what_is_meant_is_declared(controller: Controller) -> None:
    """A path whose body says which of several things is done has no operation that takes it apart by hand."""
    apart = [o.name for _, o, _ in operations(controller) if o.path.endswith("/action") and not o.action]
    assert apart == []


def test_operations_say_what_they_answer(controller: Controller) -> None:
    """Each body that a test sees is held against what is declared (`tests/answers.py`)."""
    silent = [o.name for _, o, _ in operations(controller) if o.service in OPENSTACKS and o.answers and not o.response]
    assert silent == []


def test_lists_say_what_can_be_asked(controller: Controller) -> None:
    """A list is what answers an array; its query is declared, even when there is none."""
    silent = [
        o.name
        for _, o, _ in operations(controller)
        if o.service in OPENSTACKS and o.method == "GET" and o.query is None and o.answers and _lists(o)
    ]
    assert silent == []


def _lists(operation: Operation) -> bool:
    if operation.response is None or operation.path.endswith("}"):
        return not operation.path.endswith("}")
    held = schema_of(operation.response, None)
    fields = held.get("properties", {}).items()
    arrays = [name for name, field in fields if field.get("type") == "array" and not name.endswith("links")]
    return held.get("type") == "array" or len(arrays) == 1


def test_handlers_are_short(controller: Controller) -> None:
    long = {o.name for _, o, _ in operations(controller) if _lines(o.handler) > HANDLER_LINES}
    assert long == set()


def _lines(handler: Any) -> int:
    """Of the function itself, without its declaration."""
    lines = inspect.getsource(handler).splitlines()
    return len(lines) - next(at for at, line in enumerate(lines) if line.lstrip().startswith(("def ", "async def ")))


def test_operations_write_in_the_name_of_their_caller() -> None:
    """`call.transaction()` knows who asked; the store's own would write a timeline that does not say who did it."""
    apis = (PACKAGE / "services").glob("*/api/**/*.py")
    nameless = [str(path.relative_to(PACKAGE)) for path in apis if "db.transaction()" in path.read_text()]
    assert nameless == []


@cache
def _filled(path: str) -> str:
    return re.sub(r"\{\*?[^}]*\}", "00000000-0000-4000-8000-000000000000", path)


async def _ask(controller: Controller, port: int, operation: Operation, headers: list[tuple[bytes, bytes]]) -> int:
    answers: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def send(message: Any) -> None:
        answers.append(message)

    scope = {
        "type": "http",
        "method": operation.method,
        "path": _filled(operation.path),
        "raw_path": _filled(operation.path).encode(),
        "query_string": b"",
        "headers": headers,
        "server": ("127.0.0.1", port),
        "client": ("127.0.0.1", 1),
        "scheme": "http",
    }
    await controller.app(scope, receive, send)
    return int(answers[0]["status"])


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"x-auth-token", b"forged")],
        [(b"x-roles", b"admin"), (b"x-user-id", b"a" * 32), (b"x-identity-status", b"Confirmed")],
    ],
    ids=["no token", "a forged token", "forged identity headers"],
)
def test_strangers_are_refused_everywhere(controller: Controller, headers: list[tuple[bytes, bytes]]) -> None:
    async def all_of_them() -> list[str]:
        wrong = []
        for port, operation, _ in operations(controller):
            if operation.auth:
                asked = [*headers]
                if operation.since is not None:
                    version = f"{operation.service} {operation.since[0]}.{operation.since[1]}"
                    asked.append((b"openstack-api-version", version.encode()))
                status = await _ask(controller, port, operation, asked)
                if status != 401:
                    wrong.append(f"{operation.method} {operation.path}: {status}")
        return wrong

    assert asyncio.run(all_of_them()) == []


def test_the_files_of_a_cloud_are_closed(controller: Controller) -> None:
    state: Path = controller.settings.state
    for secret in controller.settings.secrets_dir.rglob("*"):
        if secret.is_file():
            assert secret.stat().st_mode & 0o077 == 0, secret
    assert (state / "db").stat().st_mode & 0o007 == 0
