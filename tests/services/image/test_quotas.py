"""Limits of projects on images: identity's unified limits, in Glance's names and words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.assembled import Assembled
from tests.services.image.conftest import OCTETS, Images, ended, made
from tests.services.serving import PROJECTS

MIB = 1 << 20
DATA = bytes(MIB)


@pytest.fixture
def limits(glance: Images) -> dict[str, int]:
    """Limits of the project demo; other projects have none."""
    found: dict[str, int] = {}
    glance.context.limits = lambda _tx, project_id: found if project_id == PROJECTS["demo"] else {}
    return found


def send(client: httpx.Client, image_id: str, how: str = "file", data: Any = DATA) -> httpx.Response:
    return client.put(f"/v2/images/{image_id}/{how}", content=data, headers=OCTETS)


def chunks() -> Any:
    """A body whose size nobody knows before its end."""
    yield DATA


def over(answer: httpx.Response, resource: str, most: int, usage: int, delta: int) -> bool:
    words = f"Resource {resource} is over limit of {most} due to current usage {usage} and delta {delta}"
    assert answer.status_code == 413, answer.text
    message = answer.json()["message"]
    assert "The request returned a 413 Request Entity Too Large" in message, message
    return f"Project {PROJECTS['demo']} is over a limit for [{words}" in message


def test_count(limits: dict[str, int], demo: httpx.Client, other: httpx.Client) -> None:
    limits["image_count_total"] = 1
    first = made(demo)["id"]
    assert over(demo.post("/v2/images", json={}), "image_count_total", 1, 1, 1)
    made(other)
    assert demo.delete(f"/v2/images/{first}").status_code == 204
    made(demo)
    limits["image_count_total"] = -1
    made(demo)
    limits["image_count_total"] = 0
    assert demo.post("/v2/images", json={}).status_code == 413


def test_size(limits: dict[str, int], demo: httpx.Client) -> None:
    """A body of unknown size is let in while the project is not over; afterwards it is."""
    limits["image_size_total"] = 1
    first, second, third = (made(demo)["id"] for _ in range(3))
    assert send(demo, first).status_code == 204
    assert over(send(demo, second), "image_size_total", 1, 1, 1), "it says that it is too large"
    assert send(demo, second, data=chunks()).status_code == 204
    assert over(send(demo, third, data=chunks()), "image_size_total", 1, 2, 0)
    assert demo.get(f"/v2/images/{third}").json()["status"] == "queued"
    assert demo.delete(f"/v2/images/{first}").status_code == 204
    assert send(demo, third, data=chunks()).status_code == 204


def test_staged(limits: dict[str, int], demo: httpx.Client) -> None:
    limits |= {"image_stage_total": 1, "image_size_total": 10}
    first, second, third, fourth = (made(demo)["id"] for _ in range(4))
    assert send(demo, first, "stage").status_code == 204
    assert over(send(demo, second, "stage"), "image_stage_total", 1, 1, 1)
    assert send(demo, second, "stage", chunks()).status_code == 204
    assert over(send(demo, third, "stage", chunks()), "image_stage_total", 1, 2, 0)
    assert send(demo, fourth).status_code == 204, "an upload stages nothing"
    for image_id in (first, second):
        body = {"method": {"name": "glance-direct"}}
        assert demo.post(f"/v2/images/{image_id}/import", json=body).status_code == 202
        assert ended(demo, image_id)["status"] == "success"
    assert send(demo, third, "stage").status_code == 204


def test_uploads_at_once(limits: dict[str, int], demo: httpx.Client) -> None:
    limits["image_count_uploading"] = 1
    first, second, third = (made(demo)["id"] for _ in range(3))
    assert send(demo, first, "stage").status_code == 204
    for how in ("stage", "file"):
        assert over(send(demo, second, how), "image_count_uploading", 1, 1, 1)
        assert demo.get(f"/v2/images/{second}").json()["status"] == "queued"
    body = {"method": {"name": "web-download", "uri": "http://192.0.43.8/"}}
    assert demo.post(f"/v2/images/{second}/import", json=body).status_code == 413
    assert demo.get(f"/v2/images/{second}/tasks").json()["tasks"] == []
    body = {"method": {"name": "glance-direct"}}
    assert demo.post(f"/v2/images/{first}/import", json=body).status_code == 202, "it counts already"
    assert ended(demo, first)["status"] == "success"
    assert send(demo, second).status_code == 204 and send(demo, third).status_code == 204


def test_an_import_of_too_many_bytes(glance: Images, limits: dict[str, int], demo: httpx.Client) -> None:
    """What comes is counted before it is stored, once per store."""
    limits["image_size_total"] = 1
    source = made(demo)["id"]
    assert send(demo, source, data=DATA).status_code == 204
    glance.context.endpoint = lambda _tx, _region, _interface: glance.running.url
    image_id = made(demo)["id"]
    method = {"name": "glance-download", "glance_region": "x", "glance_image_id": source}
    assert demo.post(f"/v2/images/{image_id}/import", json={"method": method}).status_code == 202
    task = ended(demo, image_id)
    assert (
        task["status"] == "failure" and "image_size_total is over limit of 1 due to current usage 1" in task["message"]
    )
    assert demo.get(f"/v2/images/{image_id}").json()["status"] == "queued" and glance.staged() == []


def test_usage(limits: dict[str, int], demo: httpx.Client) -> None:
    limits |= {"image_size_total": 7, "image_count_total": 9}
    first, second = made(demo)["id"], made(demo)["id"]
    assert send(demo, first).status_code == 204 and send(demo, second, "stage").status_code == 204
    assert demo.get("/v2/info/usage").json() == {
        "usage": {
            "image_size_total": {"usage": 1, "limit": 7},
            "image_stage_total": {"usage": 1, "limit": -1},
            "image_count_total": {"usage": 2, "limit": 9},
            "image_count_uploading": {"usage": 1, "limit": -1},
        }
    }


def test_limits_are_identity_s(tmp_path: Path) -> None:
    """In a whole cloud: a registered limit bounds every project, a project's own limit that project."""
    cloud = Assembled(tmp_path / "cloud")
    try:
        listed = cloud.ask("identity", "GET", "/v3/services", token=cloud.admin, query="type=image").json
        service = {"service_id": listed["services"][0]["id"], "resource_name": "image_count_total"}
        create = {"registered_limits": [{**service, "default_limit": 1}]}
        assert cloud.ask("identity", "POST", "/v3/registered_limits", token=cloud.admin, body=create).status == 201
        assert cloud.ask("image", "POST", "/v2/images", token=cloud.member, body={"name": "a"}).status == 201
        refused = cloud.ask("image", "POST", "/v2/images", token=cloud.member, body={"name": "b"})
        assert refused.status == 413 and "image_count_total is over limit of 1" in refused.json["message"]
        project = cloud.ask("identity", "GET", "/v3/auth/projects", token=cloud.member).json["projects"][0]["id"]
        own = {"limits": [{**service, "project_id": project, "resource_limit": 2}]}
        assert cloud.ask("identity", "POST", "/v3/limits", token=cloud.admin, body=own).status == 201
        assert cloud.ask("image", "POST", "/v2/images", token=cloud.member, body={"name": "b"}).status == 201
        usage = cloud.ask("image", "GET", "/v2/info/usage", token=cloud.member).json["usage"]
        assert usage["image_count_total"] == {"usage": 2, "limit": 2}
    finally:
        cloud.close()
