"""What events of the audit log are about: what the operator does, and logins."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from cumulet.desired.hosts import HostFacts
from cumulet.desired.keeping import Keeping, Kept
from cumulet.fleet.model import hosts, keeping
from tests.assembled import Assembled


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Assembled]:
    found = Assembled(tmp_path_factory.mktemp("audit") / "state")
    yield found
    found.close()


def events(cloud: Assembled) -> list[dict[str, Any]]:
    files = sorted(cloud.settings.audit_dir.iterdir())
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


@pytest.mark.parametrize(
    ("method", "path", "body", "target"),
    [
        ("POST", "tokens", {"name": "sim"}, ["sim"]),
        ("POST", "tokens", {}, ["any new node"]),
        ("POST", "sessions", {"project": "demo"}, ["demo"]),
        ("POST", "furnished", {"furnished": ["flavors", "image"]}, ["flavors", "image"]),
        ("POST", "snapshots", {"name": "one"}, ["one"]),
        ("POST", "reset", {"name": "none"}, ["none"]),
        ("POST", "simulation", {"host": {"name": "sim-0001", "state": "up"}}, ["sim-0001"]),
        ("POST", "simulation", {"fault": {"operation": "image:GET:/x", "status": 503}}, ["image:GET:/x"]),
        ("POST", "simulation", {"clear": True}, ["rules"]),
        ("POST", "credential-keys", {}, ["credential_keys"]),
        ("PUT", "passwords/service_password", {"password": "a-new-secret"}, ["service_password"]),
    ],
)
def test_what_the_operator_does_is_about_something(
    cloud: Assembled, method: str, path: str, body: dict[str, object], target: list[str]
) -> None:
    headers = {"authorization": f"Bearer {cloud.settings.secret('operator_secret')}"}
    cloud.ask("link", method, f"/v1/{path}", headers=headers, body=body)
    found = events(cloud)[-1]["target"]
    assert found.get("ids", [found["id"]]) == target


def test_what_is_let_go_of_is_named(cloud: Assembled) -> None:
    with cloud.controller.db.transaction() as tx:
        link_id, _ = hosts.join(tx, "keeper", [HostFacts(hostname="keeper", vcpus=1, memory_mb=1, disk_gb=1)])
        thing = Kept(host="keeper", kind="guest", ref=str(uuid.uuid4()), why="strange")
        keeping.keep(tx, link_id, Keeping(round=1, kept=[thing], last=True))
    headers = {"authorization": f"Bearer {cloud.settings.secret('operator_secret')}"}
    answer = cloud.ask("link", "POST", "/v1/forget", headers=headers, body={})
    assert answer.status == 200, answer.body
    assert events(cloud)[-1]["target"]["id"] == thing.ref


def test_a_login_is_about_the_user(cloud: Assembled) -> None:
    assert cloud.admin
    found = next(
        event for event in events(cloud) if event["action"] == "authenticate" and event["outcome"] == "success"
    )
    assert found["target"]["id"] == found["initiator"]["id"] != "unknown"
