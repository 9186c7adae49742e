"""Whatever is sent to whichever operation: an answer below 500, in the service's own words. Nothing of it is kept.

Every declared operation is tried, those of tomorrow too. Values are the ones that have broken such systems: numbers
that no column holds, names that are no names, text that a log or a header must not repeat, JSON where it should not be.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from cumulet.cli.controller import declared, loaders
from cumulet.http import Operation, Service
from cumulet.http.bodies import body_of
from cumulet.http.openapi import document
from tests.assembled import Answer, Assembled

EXAMPLES = 12
"""Requests of each kind to each operation. Raise it when looking for faults: CI has other work too."""

NASTY = [
    "",
    " ",
    "null",
    "0",
    "-1",
    "٣",
    "9" * 30,
    "1e999",
    "NaN",
    "0x10",
    "true",
    "..",
    "../../etc/passwd",
    "a/b",
    "%00",
    "%",
    "\r\nX-Evil: 1",
    "a\tb",
    "'; DROP TABLE users; --",
    "{{7*7}}",
    "${jndi:ldap://x}",
    "<script>alert(1)</script>",
    "\N{RIGHT-TO-LEFT OVERRIDE}x",
    "ü€😀",
    "İ",
    "x" * 300,
    "x" * 70_000,
    "in:a,b",
    "in:",
    "lt:x",
    "eq:",
    "a:asc,b:desc",
    "2026-13-45T99:99:99Z",
    "9999999-01-01",
    "::1",
    "0.0.0.0/0",
    "300.1.1.1",
    "00000000-0000-4000-8000-000000000000",
    "a" * 32,
]
NUMBERS = [0, -1, 1, 2**31, 2**32, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**64, 10**30, 0.5, -0.0, 1e308, 5e-324]
_QUERIES = """
    limit marker sort sort_key sort_dir sort_dirs name id status fields page_reverse all_tenants deleted
    changes-since changes-before member_status visibility size_min size_max created_at updated_at tag os_hidden
    owner protected resources required member_of in_tree root_required same_subtree group_policy required1
    resources1 required_A uuid project_id user_id consumer_type domain_id parent_id is_domain enabled
    password_expires_at include_names effective scope.project.id role.id include_subtree subtree_as_list
    parents_as_list include_limits subtree_as_ids nocatalog allow_expired start end detailed region_id
    service_id type interface reserved tenant_id not-tags tags-any flavor image ip reservation_id host locked
"""
QUERIES = _QUERIES.split()


def scalars() -> st.SearchStrategy[Any]:
    text = st.sampled_from(NASTY[:-1]) | st.text(max_size=20)
    return st.none() | st.booleans() | st.sampled_from(NUMBERS) | text | st.sampled_from(NASTY)


def values(words: list[str]) -> st.SearchStrategy[Any]:
    keys = st.sampled_from(words) | st.sampled_from(NASTY[:-2])
    return st.recursive(
        scalars(), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4), max_leaves=8
    )


def vocabulary(service: Service) -> list[str]:
    """Names of fields that the service's bodies may have, of whatever noun."""
    text = json.dumps(document(service), default=str)
    found = set(re.findall(r'"([A-Za-z_][\w:-]{1,40})": \{"(?:type|anyOf|\$ref|enum)"', text))
    return sorted(found | {"name", "id"})


def near(schema: Any) -> st.SearchStrategy[Any]:
    """Bodies that nearly fit a schema: what is needed and some of the rest, any of it replaced by what does not fit."""
    if "anyOf" in schema:
        return st.one_of([near(each) for each in schema["anyOf"]])
    if "properties" in schema:
        fields = {name: near(inner) | scalars() for name, inner in schema["properties"].items()}
        needed = {name: fields.pop(name) for name in schema.get("required", ()) if name in fields}
        return st.fixed_dictionaries(needed, optional=fields)
    kinds = [schema["type"]] if isinstance(schema.get("type"), str) else schema.get("type", [])
    if "array" in kinds and isinstance(schema.get("items"), dict):
        return st.lists(near(schema["items"]), max_size=2)
    fitting = {"integer": st.integers(0, 9), "boolean": st.booleans(), "string": st.text(max_size=8)}
    return st.one_of([scalars(), *(fitting[kind] for kind in kinds if kind in fitting)])


def sending(cloud: Assembled, service: Service, operation: Operation) -> Iterator[dict[str, Any]]:
    """What every request to the operation has in common: the newest version that it exists at."""
    headers = {}
    if service.microversions is not None:
        version = min(operation.until or service.microversions.maximum, service.microversions.maximum)
        headers["openstack-api-version"] = f"{service.type} {version[0]}.{version[1]}"
    if operation.media_types:
        headers["content-type"] = operation.media_types[0]
    if operation.path == "/v3/auth/tokens":
        headers["x-subject-token"] = cloud.member
    yield {"token": cloud.admin, "headers": headers}


def filled(path: str, chosen: list[str]) -> str:
    parts = iter(chosen)
    return re.sub(r"\{\*?\w+\}", lambda _: quote(next(parts), safe=""), path)


KNOWN_PLACE = "00000000-0000-4000-8000-000000000000"


def complaint(service: Service, operation: Operation, answer: Answer) -> str | None:
    """What is wrong with an answer, if anything."""
    where = f"{service.type} {operation.method} {operation.path}"
    if answer.status >= 500 and answer.status not in operation.faults:
        return f"{where}: {answer.status}"
    for name, value in answer.raw_headers:
        if any(byte < 32 or byte > 126 for byte in value) or name == b"x-evil":
            return f"{where}: header {name!r} is {value!r}"
    if answer.status >= 400 and answer.body and operation.method != "HEAD":
        if not answer.headers["content-type"].startswith("application/json"):
            return f"{where}: {answer.status} is {answer.headers['content-type']}"
        if len(answer.body) > 20_000:
            return f"{where}: the error repeats what was sent ({len(answer.body)} bytes)"
    return None


@pytest.mark.parametrize("name", sorted(loaders()))
def test_no_request_breaks_an_operation(cloud: Assembled, name: str) -> None:
    service = declared()[name]
    words = vocabulary(service)
    found: dict[str, str] = {}
    for operation in service.operations:
        common = next(sending(cloud, service, operation))
        _try(cloud, service, operation, common, words, found)
    assert sorted(found) == [], "\n".join(f"{what}\n    {request}" for what, request in sorted(found.items()))


def _try(
    cloud: Assembled,
    service: Service,
    operation: Operation,
    common: dict[str, Any],
    words: list[str],
    found: dict[str, str],
) -> None:
    count = len(operation.path_parameters)
    wrapped = st.builds(lambda outer, inner: {outer: inner}, st.sampled_from(words), values(words))
    shaped = []
    if operation.request is not None:
        newest = service.microversions.maximum if service.microversions is not None else (0, 0)
        fit = near(body_of(operation.request).schema(min(operation.until or newest, newest)))
        shaped = [fit.map(lambda value: json.dumps(value).encode())] * 2  # more of these than of each other kind
    bodies = st.one_of(
        st.binary(max_size=40),
        values(words).map(lambda value: json.dumps(value).encode()),
        st.dictionaries(st.sampled_from(words), values(words), max_size=3).map(
            lambda value: json.dumps(value).encode()
        ),
        wrapped.map(lambda value: json.dumps(value).encode()),
        *shaped,
    )
    pairs = st.lists(st.tuples(st.sampled_from([*QUERIES, *words]), st.sampled_from(NASTY[:-1])), max_size=3)

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def requests(data: st.DataObject) -> None:
        places = data.draw(
            st.just([KNOWN_PLACE] * count)
            | st.lists(st.sampled_from(NASTY[:-1]).filter(bool), min_size=count, max_size=count)
        )
        body = data.draw(bodies) if operation.media_types else b""
        query = data.draw(pairs.map(urlencode) | st.binary(max_size=20).map(lambda raw: raw.decode("latin-1")))
        path = filled(operation.path, places)
        answer = cloud.ask(service.type, operation.method, path, body=body, query=query, **common)
        if (wrong := complaint(service, operation, answer)) is not None:
            found.setdefault(wrong, f"{path[:200]}?{query[:200]} {body[:300]!r} → {answer.body[:300]!r}")

    requests()
