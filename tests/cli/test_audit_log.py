"""The audit log: what is in it and what never is, and that it harms no request."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cumulet import space
from cumulet.http import audit
from cumulet.http.audit import AuditLog
from tests.assembled import Assembled


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Assembled]:
    found = Assembled(tmp_path_factory.mktemp("audit") / "state")
    yield found
    found.close()


def text(cloud: Assembled) -> str:
    return "".join(file.read_text() for file in sorted(cloud.settings.audit_dir.iterdir()))


def events(cloud: Assembled) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text(cloud).splitlines()]


def login(cloud: Assembled, password: str) -> str:
    user = {"name": "admin", "domain": {"id": "default"}, "password": password}
    scope = {"project": {"name": "admin", "domain": {"id": "default"}}}
    body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
    answer = cloud.ask("identity", "POST", "/v3/auth/tokens", body=body)
    return answer.headers.get("x-subject-token", "")


@pytest.fixture(scope="module")
def admin(cloud: Assembled) -> str:
    return login(cloud, cloud.settings.secret("admin_password"))


def test_a_login_is_in_it_and_its_secrets_are_not(cloud: Assembled, admin: str) -> None:
    password = cloud.settings.secret("admin_password")
    login(cloud, password)
    found = events(cloud)[-1]
    assert (found["action"], found["outcome"], found["reason"]["reasonCode"]) == ("authenticate", "success", "201")
    who = found["initiator"]
    assert who["name"] == "admin" and who["credential"]["type"] == "project" and who["project_id"]
    assert who["credential"]["methods"] == ["password"] and who["host"] == {"address": "127.0.0.1"}
    assert login(cloud, "not-the-one-1") == ""
    found = events(cloud)[-1]
    assert (found["action"], found["outcome"], found["initiator"]["id"]) == ("authenticate", "failure", "unknown")
    assert not any(secret in text(cloud) for secret in (password, admin, "not-the-one-1", "gAAAA"))


def test_a_create_names_what_was_made_and_a_read_is_nothing(cloud: Assembled, admin: str) -> None:
    made = cloud.ask("network", "POST", "/v2.0/networks", token=admin, body={"network": {"name": "a\nb"}})
    network = made.json["network"]["id"]
    found = events(cloud)[-1]
    assert (found["action"], found["outcome"]) == ("create", "success")
    assert found["target"] == {"typeURI": "service/network/networks", "id": network}
    assert found["initiator"]["request_id"] == made.headers["x-openstack-request-id"]
    before = len(events(cloud))
    assert cloud.ask("network", "GET", f"/v2.0/networks/{network}", token=admin).status == 200
    assert len(events(cloud)) == before
    assert cloud.ask("network", "DELETE", f"/v2.0/networks/{network}", token=admin).status == 204
    found = events(cloud)[-1]
    assert (found["action"], found["target"]["id"], found["requestPath"]) == (
        "delete",
        network,
        "/v2.0/networks/{network_id}",
    )


def test_a_refusal_is_in_it_and_what_stands_for_an_id_is_harmless(cloud: Assembled) -> None:
    token = "gAAAAA" + "x" * 60
    answer = cloud.ask("compute", "DELETE", f"/v2.1/servers/{token}%C3%A4", token=token)
    assert answer.status == 401
    line = text(cloud).splitlines()[-1]
    assert line.isascii() and line.isprintable() and token not in line
    found = json.loads(line)
    assert (found["outcome"], found["reason"]["reasonCode"], found["initiator"]["id"]) == ("failure", "401", "unknown")
    assert cloud.ask("compute", "GET", "/v2.1/servers", token="wrong").status == 401
    assert events(cloud)[-1]["action"] == "read"


@pytest.mark.parametrize("name", ["plain", "tab\tline\nend", "\x7f\x1b[2J", "\x85\u2028\u202e", "ä€😀", "\ud800"])
def test_a_line_is_printable_ascii_and_says_the_same(name: str) -> None:
    event = {"initiator": {"name": name}}
    line = audit._line(event).decode()
    assert line.isascii() and line.endswith("\n") and line[:-1].isprintable()
    assert json.loads(line) == event


def test_an_action_on_a_server_says_which(cloud: Assembled, admin: str) -> None:
    cloud.ask("compute", "POST", "/v2.1/servers/none/action", token=admin, body={"os-start": None})
    found = events(cloud)[-1]
    assert (found["action"], found["target"]) == (
        "update/os-start",
        {"typeURI": "service/compute/servers/action", "id": "none"},
    )


def test_the_operator_is_in_it_and_nodes_reports_are_not(cloud: Assembled) -> None:
    secret = cloud.settings.secret("operator_secret")
    headers = {"authorization": f"Bearer {secret}"}
    cloud.ask("link", "POST", "/v1/tokens", headers=headers, body={"name": "sim", "hosts": ["sim"]})
    found = events(cloud)[-1]
    assert found["initiator"]["id"] == "operator" and found["observer"]["id"] == "cumulet/link"
    assert secret not in text(cloud)
    quiet = {"link.link.heartbeat", "link.link.report", "link.keeping.kept"}
    assert quiet <= cloud.controller.app.watchers[0].__self__._quiet  # type: ignore[attr-defined]


def test_only_the_controllers_user_may_read_it(cloud: Assembled, admin: str) -> None:
    folder = cloud.settings.audit_dir
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o600}


def test_a_disk_that_is_full_fails_no_request_and_is_a_problem(
    cloud: Assembled, admin: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def half(handle: int, data: bytes) -> int:
        return written(handle, data[:10])

    written = os.write
    watched: AuditLog = cloud.controller.app.watchers[0].__self__  # type: ignore[attr-defined]
    monkeypatch.setattr(audit.os, "write", half)
    for _ in range(2):
        answer = cloud.ask("network", "POST", "/v2.0/networks", token=admin, body={"network": {}})
        assert answer.status == 201
    monkeypatch.undo()
    assert [problem.code for problem in watched.problems()] == ["audit-failing"]
    assert sum("cannot be written" in record.message for record in caplog.records) == 1
    assert cloud.ask("network", "POST", "/v2.0/networks", token=admin, body={"network": {}}).status == 201
    assert watched.problems() == []
    assert json.loads(text(cloud).splitlines()[-1])["action"] == "create"


def test_old_days_go(tmp_path: Path) -> None:
    for name in ("2001-01-01.jsonl", "2999-01-01.jsonl", "notes.txt"):
        (tmp_path / name).write_text("")
    kept = AuditLog(tmp_path, 365)
    kept._write(audit._more("", 1))
    kept.close()
    assert len(list(tmp_path.iterdir())) == 4, "the clock may have leapt since the last day: nothing goes yet"
    yesterday = f"{datetime.now(UTC) - timedelta(days=1):%Y-%m-%d}.jsonl"
    (tmp_path / yesterday).write_text("")
    kept._write(audit._more("", 1))
    kept.close()
    left = {file.name for file in tmp_path.iterdir()}
    assert "2001-01-01.jsonl" not in left and {"2999-01-01.jsonl", "notes.txt", yesterday} < left and len(left) == 4


def test_a_flood_of_refusals_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "MOST_FAILED", 3)
    now = [600.0]
    monkeypatch.setattr(audit.time, "monotonic", lambda: now[0])
    found = AuditLog(tmp_path, 1)
    assert [found._within_bounds(401, "") for _ in range(5)] == [True] * 3 + [False] * 2
    assert [found._within_bounds(404, "alice") for _ in range(4)] == [True] * 3 + [False]
    assert found._within_bounds(204, "") and found._within_bounds(204, "alice") and found._within_bounds(409, "bob")
    assert not found._within_bounds(0, "alice"), "one that hangs up is no way around it"
    now[0] = 661.0
    assert found._within_bounds(401, "")
    found.close()
    lines = map(json.loads, next(tmp_path.iterdir()).read_text().splitlines())
    said = {line["initiator"]["id"]: line["reason"]["policyType"] for line in lines}
    assert said["unknown"].startswith("2 more") and said["alice"].startswith("2 more") and len(said) == 2


def test_a_member_does_not_fill_the_disk_with_failures(
    cloud: Assembled, admin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand requests a second for what is not there took a megabyte of the disk each second."""
    watched: AuditLog = cloud.controller.app.watchers[0].__self__  # type: ignore[attr-defined]
    monkeypatch.setattr(audit, "MOST_FAILED", 5)
    watched._minute, member = -1, cloud.member
    before = len(text(cloud).splitlines())
    for _ in range(20):
        assert cloud.ask("compute", "DELETE", "/v2.1/servers/none", token=member).status == 404
    assert len(text(cloud).splitlines()) - before <= 5
    assert cloud.ask("network", "POST", "/v2.0/networks", token=admin, body={"network": {}}).status == 201
    assert json.loads(text(cloud).splitlines()[-1])["action"] == "create"


def test_the_rest_of_a_disk_is_not_for_it(
    cloud: Assembled, admin: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    watched: AuditLog = cloud.controller.app.watchers[0].__self__  # type: ignore[attr-defined]
    made = cloud.ask("network", "POST", "/v2.0/networks", token=admin, body={"network": {}}).json["network"]["id"]
    before = text(cloud)
    watched._looked = 0.0
    monkeypatch.setattr(space, "of", lambda _folder: space.Space(1 << 20, 1 << 40))
    for status in (204, 404, 404):
        assert cloud.ask("network", "DELETE", f"/v2.0/networks/{made}", token=admin).status == status
    assert text(cloud) == before
    assert [problem.code for problem in watched.problems()] == ["audit-failing"]
    assert sum("kept for deleting" in record.message for record in caplog.records) == 1
    monkeypatch.undo()
    assert watched.problems() == [], "nothing has to happen first: the next event is written"
    assert cloud.ask("network", "DELETE", f"/v2.0/networks/{made}", token=admin).status == 404
    assert watched.problems() == [] and text(cloud) != before
