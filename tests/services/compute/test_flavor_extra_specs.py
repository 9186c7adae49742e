"""Extra specs of flavors: who sees them, who changes them, which keys there may be."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.services.compute.conftest import (
    Nova,
    message,
    show,
)

SPECS = "/v2.1/flavors/1/os-extra_specs"


def test_specs_are_added_changed_and_removed(demo: httpx.Client, admin: httpx.Client) -> None:
    assert demo.get(SPECS).json() == {"extra_specs": {}}
    assert admin.post(SPECS, json={"extra_specs": {"hw:x": "1"}}).json() == {"extra_specs": {"hw:x": "1"}}
    assert admin.post(SPECS, json={"extra_specs": {"hw:y": 2}}).json() == {"extra_specs": {"hw:y": "2"}}
    assert admin.put(f"{SPECS}/hw:x", json={"hw:x": "2"}).json() == {"hw:x": "2"}
    assert demo.get(SPECS).json() == {"extra_specs": {"hw:x": "2", "hw:y": "2"}}
    assert demo.get(f"{SPECS}/hw:y").json() == {"hw:y": "2"}
    assert admin.delete(f"{SPECS}/hw:x").status_code == 200
    assert demo.get(SPECS).json() == {"extra_specs": {"hw:y": "2"}}


def test_what_is_not_there(demo: httpx.Client, admin: httpx.Client) -> None:
    answer = demo.get(f"{SPECS}/nope")
    assert (answer.status_code, message(answer)) == (404, "Flavor 1 has no extra specs with key nope.")
    assert admin.delete(f"{SPECS}/nope").status_code == 404
    assert admin.get("/v2.1/flavors/nope/os-extra_specs").status_code == 404
    assert admin.post("/v2.1/flavors/nope/os-extra_specs", json={"extra_specs": {"a": "b"}}).status_code == 404


@pytest.mark.parametrize("specs", [{"a/b": "1"}, {"k" * 256: "1"}, {"": "1"}, {"a": "x" * 256}, {"a": None}])
def test_keys_and_values_that_may_not_be(admin: httpx.Client, specs: dict[str, Any]) -> None:
    assert admin.post(SPECS, json={"extra_specs": specs}).status_code == 400
    assert admin.get(SPECS).json() == {"extra_specs": {}}


@pytest.mark.parametrize("body", [{"hw:y": "2"}, {}, {"hw:x": "1", "hw:y": "2"}, {"hw:x": None}, {"hw:x": ["1"]}])
def test_the_key_of_the_path_is_the_bodys(admin: httpx.Client, body: dict[str, Any]) -> None:
    assert admin.put(f"{SPECS}/hw:x", json=body).status_code == 400


def test_only_administrators_change_them(demo: httpx.Client) -> None:
    assert demo.post(SPECS, json={"extra_specs": {"a": "b"}}).status_code == 403
    assert demo.put(f"{SPECS}/a", json={"a": "b"}).status_code == 403
    assert demo.delete(f"{SPECS}/a").status_code == 403


def test_a_server_keeps_those_of_its_creation(nova: Nova, demo: httpx.Client, admin: httpx.Client) -> None:
    admin.post(SPECS, json={"extra_specs": {"hw:x": "1"}})
    server_id = nova.active(demo)
    admin.put(f"{SPECS}/hw:x", json={"hw:x": "2"})
    assert show(demo, server_id)["flavor"]["extra_specs"] == {"hw:x": "1"}
