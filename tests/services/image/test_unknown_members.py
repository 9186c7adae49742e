"""What a body holds beside what is known: Glance ignores it where it reads members by hand, and refuses it where it
has a schema (glance/api/v2: the `RequestDeserializer` of each file; glance/schema.py: `Schema.raw`)."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.services.image.conftest import Images, made
from tests.services.serving import PROJECTS

UNKNOWN: list[tuple[str, Any]] = [
    ("member", PROJECTS["other"]),
    ("extra", None),
    ("links", [{"rel": "self"}]),
    ("nested", {"status": "rejected"}),
    ("", 1),
    ("x" * 300, True),
]
PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}


@pytest.mark.parametrize(("name", "value"), UNKNOWN)
def test_ignored(glance: Images, demo: httpx.Client, other: httpx.Client, name: str, value: Any) -> None:
    extra = {name: value}
    path = f"/v2/images/{made(demo)['id']}"
    assert demo.post(f"{path}/members", json={**extra, "member": PROJECTS["other"]}).status_code == 200
    mine = f"{path}/members/{PROJECTS['other']}"
    answer = other.put(mine, json={**extra, "status": "accepted"})
    assert (answer.status_code, answer.json().get("status")) == (200, "accepted")
    change = {**extra, "op": "replace", "path": "/name", "value": "new"}
    assert demo.patch(path, json=[change], headers=PATCH).json()["name"] == "new"
    method = {**extra, "name": "web-download", "uri": "file:///etc/passwd"}
    answer = demo.post(f"{path}/import", json={**extra, "method": method})
    assert "does not pass filtering" in answer.text, "it was understood, and refused for its address alone"
    answer = demo.post(f"{path}/locations", json={**extra, "url": "ftp://x/"})
    assert "does not match schema" not in answer.text


STRICT: list[tuple[str, dict[str, Any]]] = [
    ("/v2/tasks", {"type": "import", "input": {}}),
    ("/v2/metadefs/namespaces", {"namespace": "b"}),
    ("/v2/metadefs/namespaces/a/objects", {"name": "o"}),
    ("/v2/metadefs/namespaces/a/properties", {"name": "p", "title": "P", "type": "string"}),
    ("/v2/metadefs/namespaces/a/resource_types", {"name": "t"}),
    ("/v2/metadefs/namespaces/a/tags", {"tags": []}),
]


@pytest.mark.parametrize(("path", "body"), STRICT)
@pytest.mark.parametrize(("name", "value"), UNKNOWN)
def test_refused(admin: httpx.Client, path: str, body: dict[str, Any], name: str, value: Any) -> None:
    admin.post("/v2/metadefs/namespaces", json={"namespace": "a"})
    answer = admin.post(path, json={**body, name: value})
    assert answer.status_code == 400 and "Additional properties are not allowed" in answer.text
    assert "Additional properties" not in admin.post(path, json=body).text


def test_what_members_must_say(demo: httpx.Client, other: httpx.Client) -> None:
    """In the words of glance/api/v2/image_members.py and glance/domain/__init__.py."""
    path = f"/v2/images/{made(demo)['id']}/members"

    def said(answer: httpx.Response) -> tuple[int, str]:
        return answer.status_code, str(answer.json()["message"])

    assert said(demo.post(path, json={})) == (400, "Member to be added not specified")
    assert said(demo.post(path, json={"member": ""})) == (400, "Member can't be empty")
    assert demo.post(path, json={"member": PROJECTS["other"]}).status_code == 200
    mine = f"{path}/{PROJECTS['other']}"
    assert said(other.put(mine, json={"member": PROJECTS["other"]})) == (400, "Status not specified")
    why = 'Incorrect request: Status must be "pending", "accepted" or "rejected".'
    assert said(other.put(mine, json={"status": "maybe"})) == (400, why)
    assert said(other.put(mine, json={"status": 1}))[0] == said(other.put(mine, json=[]))[0] == 400
