"""Host aggregates: there are none, and administrators may see that."""

from __future__ import annotations

import httpx

from tests.services.compute.conftest import (
    new_id,
)


def test_the_list_is_empty(admin: httpx.Client, demo: httpx.Client) -> None:
    assert admin.get("/v2.1/os-aggregates").json() == {"aggregates": []}
    assert demo.get("/v2.1/os-aggregates").status_code == 403
    assert admin.get(f"/v2.1/os-aggregates/{new_id()}").status_code == 404
