"""How many statements each operation runs: constant, however much there is."""

from __future__ import annotations

import httpx
import pytest

from tests.services.image.conftest import OCTETS, RAW, Images, made


@pytest.mark.parametrize("count", [2, 15])
def test_statements(glance: Images, demo: httpx.Client, count: int) -> None:
    for _ in range(count):
        image = made(demo, tags=["a", "b"])
    path, seen = f"/v2/images/{image['id']}", glance.running.statements
    patch = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
    change = [{"op": "replace", "path": "/name", "value": "x"}, {"op": "add", "path": "/p", "value": "y"}]
    for expected, call in (
        ([2], lambda: demo.get("/v2/images")),
        ([3], lambda: demo.get(f"/v2/images?marker={image['id']}")),
        ([2], lambda: demo.get(path)),
        ([5], lambda: demo.post("/v2/images", json={**RAW, "tags": ["a"]})),
        ([5], lambda: demo.patch(path, json=change, headers=patch)),
        ([2, 3, 3], lambda: demo.put(f"{path}/file", content=b"x" * 512, headers=OCTETS)),
        ([3], lambda: demo.get(f"{path}/file")),
        ([9], lambda: demo.delete(path)),
    ):
        seen.clear()
        answer = call()
        assert answer.status_code < 300 and seen == expected, (answer.request.method, answer.request.url, seen)
