"""Tags of servers, from 2.26 on."""

from __future__ import annotations

import httpx
import pytest

from tests.services.compute.conftest import (
    Nova,
    message,
    new_id,
)


def test_tags(nova: Nova, demo: httpx.Client, old: httpx.Client) -> None:
    path = f"/v2.1/servers/{nova.active(demo)}/tags"
    made = demo.put(f"{path}/x")
    assert (made.status_code, made.headers["location"].endswith("/tags/x")) == (201, True)
    assert demo.put(f"{path}/x").status_code == 204
    assert demo.put(path, json={"tags": ["b", "a", "a"]}).json() == {"tags": ["a", "b"]}
    assert demo.get(f"{path}/b").status_code == 204
    assert demo.delete(f"{path}/b").status_code == 204
    assert demo.delete(path).status_code == 204
    assert demo.get(path).json() == {"tags": []}
    assert old.get(path).status_code == 404


def test_what_is_not_there(nova: Nova, demo: httpx.Client) -> None:
    server_id = nova.active(demo)
    for method in ("GET", "DELETE"):
        answer = demo.request(method, f"/v2.1/servers/{server_id}/tags/x")
        assert answer.status_code == 404
    assert message(answer) == f"Server {server_id} has no tag 'x'"
    assert demo.get(f"/v2.1/servers/{new_id()}/tags").status_code == 404


@pytest.mark.parametrize("tag", ["a,b", "t" * 61])
def test_tags_that_may_not_be(nova: Nova, demo: httpx.Client, tag: str) -> None:
    path = f"/v2.1/servers/{nova.active(demo)}/tags"
    assert demo.put(path, json={"tags": [tag]}).status_code == 400
    assert demo.put(f"{path}/{tag}").status_code == 400
    assert demo.get(path).json() == {"tags": []}


def test_fifty_are_enough(nova: Nova, demo: httpx.Client) -> None:
    path = f"/v2.1/servers/{nova.active(demo)}/tags"
    assert demo.put(path, json={"tags": [str(number) for number in range(50)]}).status_code == 200
    answer = demo.put(f"{path}/more")
    assert (answer.status_code, message(answer)) == (400, "The number of tags exceeded the per-server limit 50")
