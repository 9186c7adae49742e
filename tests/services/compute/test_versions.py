"""Versions and microversions: discovery, and addresses in every form that clients use."""

from __future__ import annotations

import httpx

from tests.services.compute.conftest import (
    NETWORK,
    Nova,
)
from tests.services.serving import PROJECTS


def test_discovery(nova: Nova) -> None:
    with nova.client("", "") as nobody:
        versions = nobody.get("/").json()["versions"]
        assert [(v["id"], v["status"], v["version"]) for v in versions][1] == ("v2.1", "CURRENT", "2.96")
        for path in ("/v2.1", "/v2.1/", "/v2/"):
            assert nobody.get(path).json()["version"]["media-types"]


def test_every_form_of_address(nova: Nova, demo: httpx.Client) -> None:
    for prefix in ("/v2.1", f"/v2.1/{PROJECTS['demo']}", "/v2", f"/v2/{PROJECTS['demo']}"):
        assert len(demo.get(f"{prefix}/flavors").json()["flavors"]) == 6


def test_microversions(nova: Nova, demo: httpx.Client) -> None:
    for asked, status in (("2.1", 200), ("latest", 200), ("2.97", 406), ("3.0", 406), ("two", 400)):
        with nova.client("demo", asked) as client:
            assert client.get("/v2.1/flavors").status_code == status
    body = nova.body(networks="none")
    with nova.client("demo", "2.36") as client:
        assert client.post("/v2.1/servers", json=body).status_code == 400
    assert demo.post("/v2.1/servers", json=body).status_code == 202
    assert NETWORK not in str(demo.get("/v2.1/servers/detail").json())
