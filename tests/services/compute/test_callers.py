"""Who may: another project's server does not exist, a reader looks, and what is for administrators."""

from __future__ import annotations

import httpx

from tests.services.compute.conftest import (
    Nova,
    message,
    show,
)
from tests.services.serving import PROJECTS

OTHERS = [
    ("GET", "", None),
    ("PUT", "", {"server": {"name": "stolen"}}),
    ("DELETE", "", None),
    ("GET", "/metadata", None),
    ("POST", "/metadata", {"metadata": {"a": "b"}}),
    ("PUT", "/metadata", {"metadata": {"a": "b"}}),
    ("GET", "/metadata/a", None),
    ("PUT", "/metadata/a", {"meta": {"a": "b"}}),
    ("DELETE", "/metadata/a", None),
    ("GET", "/tags", None),
    ("PUT", "/tags", {"tags": ["a"]}),
    ("PUT", "/tags/a", None),
    ("DELETE", "/tags", None),
    ("GET", "/ips", None),
    ("GET", "/ips/private", None),
    ("GET", "/os-interface", None),
    ("GET", "/os-security-groups", None),
    ("GET", "/os-instance-actions", None),
    ("POST", "/remote-consoles", {"remote_console": {"protocol": "vnc", "type": "novnc"}}),
    ("POST", "/action", {"os-start": None}),
    ("POST", "/action", {"os-stop": None}),
    ("POST", "/action", {"reboot": {"type": "HARD"}}),
    ("POST", "/action", {"forceDelete": None}),
    ("POST", "/action", {"os-getConsoleOutput": {}}),
    ("POST", "/action", {"addSecurityGroup": {"name": "default"}}),
]


def test_another_projects_server_does_not_exist(nova: Nova, demo: httpx.Client) -> None:
    server_id = nova.active(demo, metadata={"a": "b"})
    before = show(demo, server_id)
    with nova.client("other") as other:
        for method, path, body in OTHERS:
            answer = other.request(method, f"/v2.1/servers/{server_id}{path}", json=body)
            assert answer.status_code == 404, (method, path, answer.text)
            assert message(answer) == f"Instance {server_id} could not be found."
        assert other.get("/v2.1/servers/detail").json()["servers"] == []
        assert other.post("/v2.1/servers", json=nova.body()).status_code == 400  # demo's network
    assert show(demo, server_id) == before


def test_a_reader_may_look_and_not_touch(nova: Nova, demo: httpx.Client) -> None:
    server_id = nova.active(demo)
    looks = {"", "/metadata", "/tags", "/ips", "/ips/private", "/os-interface", "/os-security-groups"}
    with nova.client("reader") as reader:
        assert reader.post("/v2.1/servers", json=nova.body()).status_code == 403
        for method, path, body in OTHERS:
            if path in ("/metadata/a", "/os-instance-actions"):
                continue
            expected = 200 if method == "GET" and path in looks else 403
            answer = reader.request(method, f"/v2.1/servers/{server_id}{path}", json=body)
            assert answer.status_code == expected, (method, path, answer.text)


def test_only_an_admin(nova: Nova, demo: httpx.Client) -> None:
    for path in ("/os-services", "/os-hypervisors", "/os-availability-zone/detail", "/servers?all_tenants=1"):
        assert demo.get(f"/v2.1{path}").status_code == 403
    flavor = {"flavor": {"name": "x", "ram": 1, "vcpus": 1, "disk": 1}}
    assert demo.post("/v2.1/flavors", json=flavor).status_code == 403
    assert demo.put(f"/v2.1/os-quota-sets/{PROJECTS['demo']}", json={"quota_set": {}}).status_code == 403
    assert demo.get(f"/v2.1/os-quota-sets/{PROJECTS['other']}").status_code == 403
    answer = demo.post("/v2.1/servers", json=nova.body(availability_zone="nova:compute1"))
    assert answer.status_code == 403


def test_no_token_or_a_wrong_one(nova: Nova) -> None:
    with nova.client("") as nobody, nova.client("forged") as forger:
        for client in (nobody, forger):
            answer = client.get("/v2.1/servers")
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, 401)
        assert nobody.get("/").status_code == 200
