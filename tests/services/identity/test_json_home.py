"""JSON home: what Keystone answers to who asks for it, for every resource that is declared here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from cumulet.services.identity.api import load
from cumulet.services.identity.wire import json_home

from .conftest import Cloud

HOME = {"Accept": "application/json-home"}
KNOWN = Path(__file__).with_name("json_home.txt")


def known() -> dict[str, str]:
    """Relation → path, as Keystone has them."""
    lines = [line.split() for line in KNOWN.read_text().splitlines() if not line.startswith("#")]
    return {f"{json_home.BASE}/{relation}": path for relation, path in lines}


def resources(cloud: Cloud, path: str) -> dict[str, Any]:
    answer = cloud.http.get(path, headers=HOME)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json-home")
    return dict(answer.json()["resources"])


def shape(path: str) -> str:
    return re.sub(r"{\w+}", "{}", path)


def test_relations_are_keystones(cloud: Cloud) -> None:
    found, theirs = resources(cloud, "/v3"), known()
    paths = {shape(operation.path.removeprefix("/v3")) for operation in load().operations}
    assert {each for each, path in theirs.items() if shape(path) in paths} == found.keys()
    for relation, resource in found.items():
        target = resource.get("href") or resource["href-template"]
        assert shape(target) == shape(theirs[relation])
        assert ("href-vars" in resource) == ("{" in target)
        assert set(resource.get("href-vars", {})) == set(re.findall(r"{(\w+)}", target))
    assert len(found) > 110


def test_parameters_and_hints(cloud: Cloud) -> None:
    found, base = resources(cloud, "/v3"), json_home.BASE
    assert found[f"{base}/rel/auth_tokens"] == {"href": "/auth/tokens"}
    assert found[f"{base}/rel/limit"]["hints"] == {"status": "experimental"}
    assert found[f"{base}/rel/implied_role"]["href-vars"] == {
        "prior_role_id": f"{base}/param/role_id",
        "implied_role_id": f"{base}/param/role_id",
    }
    assert found[f"{base}/ext/OS-TRUST/1.0/rel/trust"] == {
        "href-template": "/OS-TRUST/trusts/{trust_id}",
        "href-vars": {"trust_id": f"{base}/ext/OS-TRUST/1.0/param/trust_id"},
    }


def test_the_root_says_where_version_3_is(cloud: Cloud) -> None:
    below, above = resources(cloud, "/v3"), resources(cloud, "/")
    assert below.keys() == above.keys()
    assert above[f"{json_home.BASE}/rel/users"] == {"href": "/v3/users"}


@pytest.mark.parametrize(
    ("accept", "home"),
    [
        ("", False),
        ("*/*", False),
        ("application/json", False),
        ("application/json, application/json-home", False),
        ("application/json;q=0.5, application/json-home", True),
        ("application/json-home;q=0.4, application/json;q=0.3", True),
        ("application/json-home;q=x", False),
        ("text/html", False),
        ("APPLICATION/JSON-HOME", True),
    ],
)
def test_who_gets_it(accept: str, home: bool, cloud: Cloud) -> None:
    answer = httpx.get(f"{cloud.url}/v3", headers={"Accept": accept})
    assert (answer.headers["content-type"] == "application/json-home") is home
    assert ("resources" in answer.json()) is home
