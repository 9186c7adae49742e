"""Metadata of servers: items are added, replaced, set and removed."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from cumulet.services.compute.tables import servers
from tests.services.compute.conftest import (
    Nova,
    message,
    new_id,
)


def test_items(nova: Nova, demo: httpx.Client) -> None:
    path = f"/v2.1/servers/{nova.active(demo, metadata={'a': '1'})}/metadata"
    assert demo.post(path, json={"metadata": {"b": "2"}}).json() == {"metadata": {"a": "1", "b": "2"}}
    assert demo.put(path, json={"metadata": {"c": "3"}}).json() == {"metadata": {"c": "3"}}
    assert demo.put(f"{path}/d", json={"meta": {"d": "4"}}).json() == {"meta": {"d": "4"}}
    assert demo.get(f"{path}/d").json() == {"meta": {"d": "4"}}
    assert demo.get(path).json() == {"metadata": {"c": "3", "d": "4"}}
    assert demo.delete(f"{path}/d").status_code == 204
    assert demo.get(path).json() == {"metadata": {"c": "3"}}


def test_what_is_not_there(nova: Nova, demo: httpx.Client) -> None:
    path = f"/v2.1/servers/{nova.active(demo)}/metadata"
    for method in ("GET", "DELETE"):
        answer = demo.request(method, f"{path}/d")
        assert (answer.status_code, message(answer)) == (404, "Metadata item was not found")
    answer = demo.get(f"/v2.1/servers/{new_id()}/metadata")
    assert answer.status_code == 404


@pytest.mark.parametrize(
    "meta", [{"e": "4"}, {}, {"d": "4", "e": "5"}, {"d": 4}, {"d": "x" * 256}, {"d" * 256: "x"}, {"d/e": "x"}]
)
def test_items_that_may_not_be(nova: Nova, demo: httpx.Client, meta: dict[str, Any]) -> None:
    path = f"/v2.1/servers/{nova.active(demo)}/metadata"
    assert demo.put(f"{path}/d", json={"meta": meta}).status_code == 400
    assert demo.get(path).json() == {"metadata": {}}


def test_their_number_is_limited(nova: Nova, demo: httpx.Client) -> None:
    path = f"/v2.1/servers/{nova.active(demo)}/metadata"
    many = {str(number): "x" for number in range(129)}
    answer = demo.put(path, json={"metadata": many})
    assert (answer.status_code, message(answer)) == (403, "Maximum number of metadata items exceeds 128")
    many.popitem()
    assert demo.put(path, json={"metadata": many}).status_code == 200
    assert demo.put(f"{path}/more", json={"meta": {"more": "x"}}).status_code == 403


def test_states_in_which_it_does_not_change(nova: Nova, demo: httpx.Client) -> None:
    """As Nova's `check_instance_state` of `update_instance_metadata` has it."""
    server_id = nova.active(demo)
    path = f"/v2.1/servers/{server_id}/metadata"
    for state, status in (("rescued", 409), ("resized", 409), ("suspended", 200), ("error", 200), ("building", 200)):
        with nova.db.transaction() as tx:
            tx.update_by_key(servers, {"id": server_id}, vm_state=state)
        answer = demo.put(path, json={"metadata": {"a": "1"}})
        assert answer.status_code == status, state
        if status == 409:
            words = f"Cannot 'update metadata' instance {server_id} while it is in vm_state {state}"
            assert message(answer) == words
