"""schemathesis makes requests out of each service's OpenAPI document, valid and nearly valid ones, as an administrator
and as a member: no answer of 500 and above, and no status that the operation does not declare.

An operation that answers a status which does not follow from its declaration says so with ``faults=`` or ``also=``.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings

from cumulet.cli.controller import declared, loaders
from cumulet.http.openapi import document
from tests.assembled import Answer, Assembled

EXAMPLES = {"admin": 5, "member": 2}
"""Requests to each operation. Raise it when looking for faults."""
_UNSENDABLE = schemathesis.core.NOT_SET if hasattr(schemathesis, "core") else None


_PATCHES = [f"application/openstack-images-v2.{minor}-json-patch" for minor in (0, 1)]
schemathesis.serializer.alias(_PATCHES, "application/json")


def ask(cloud: Assembled, service: str, case: Any, token: str, version: str | None) -> Answer:
    """Send a case as it was generated, but for the token and the version."""
    headers = {name: value for name, value in (case.headers or {}).items() if _sendable(name, value)}
    if version is not None:
        headers["OpenStack-API-Version"] = f"{service} {version}"
    if case.media_type:
        headers["Content-Type"] = case.media_type
    body = b"" if case.body is _UNSENDABLE else case.body
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    pairs = [(name, one) for name, value in (case.query or {}).items() for one in _several(value)]
    path = case.path
    for name, value in (case.path_parameters or {}).items():
        path = path.replace("{" + name + "}", quote(str(value), safe=""))
    lowered = {name.lower(): value for name, value in headers.items()}
    lowered.pop("x-auth-token", None)
    return cloud.ask(service, case.method, path, token=token, body=body, query=urlencode(pairs), headers=lowered)


def _sendable(name: str, value: Any) -> bool:
    return isinstance(value, str) and value.isascii() and value.isprintable() and name.isascii()


def _several(value: Any) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]


@pytest.mark.parametrize("role", sorted(EXAMPLES))
@pytest.mark.parametrize("name", sorted(loaders()))
def test_answers_are_those_declared(cloud: Assembled, name: str, role: str) -> None:
    service = declared()[name]
    plain = msgspec.json.decode(msgspec.json.encode(document(service)))
    schema = schemathesis.openapi.from_dict(plain)
    found: dict[str, str] = {}
    count = 0
    for result in schema.get_all_operations():
        operation = result.ok()  # type: ignore[union-attr]
        entry = plain["paths"][operation.path][operation.method.lower()]
        version = None
        if service.microversions is not None:
            newest = ".".join(map(str, service.microversions.maximum))
            version = entry.get("x-openstack-max-version", newest)
        count += 1
        _try(cloud, (name, getattr(cloud, role), version), operation, entry, EXAMPLES[role], found)
    assert count == sum(len(item) for item in plain["paths"].values())
    assert sorted(found) == [], "\n".join(f"{what}\n    {request}" for what, request in sorted(found.items()))


def _try(
    cloud: Assembled,
    who: tuple[str, str, str | None],
    operation: Any,
    entry: dict[str, Any],
    examples: int,
    found: dict[str, str],
) -> None:
    service, token, version = who
    allowed = {int(status) for status in entry["responses"]}

    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def requests(case: Any) -> None:
        answer = ask(cloud, service, case, token, version)
        if answer.status not in allowed:
            what = f"{service} {case.method} {case.path}: {answer.status} is not declared"
            found.setdefault(what, f"{case.path_parameters} {case.query} {case.body!r:.300} → {answer.body[:300]!r}")

    requests()
