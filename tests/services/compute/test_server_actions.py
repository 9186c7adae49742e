"""Actions on servers: what they need, which there are, and those of before 2.44."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from cumulet.services.compute.tables import servers
from tests.services.compute.conftest import (
    Nova,
    floating,
    message,
    show,
)


def test_actions_that_are_none(nova: Nova, demo: httpx.Client) -> None:
    path = f"/v2.1/servers/{nova.active(demo)}/action"
    for body in ({}, {"a": 1, "b": 2}, {"fly": None}, {"reboot": {"type": "WARM"}}, {"reboot": None}):
        assert demo.post(path, json=body).status_code == 400
    assert demo.post(path, json={"os-getVNCConsole": {"type": "novnc"}}).status_code == 404


def test_floating_ips_the_old_way(nova: Nova, demo: httpx.Client, old: httpx.Client) -> None:
    server_id = nova.active(demo)
    path, body = f"/v2.1/servers/{server_id}/action", {"address": "172.24.4.9"}
    for action in ("addFloatingIp", "removeFloatingIp"):
        assert demo.post(path, json={action: body}).status_code == 404
        answer = old.post(path, json={action: body})
        assert (answer.status_code, message(answer)) == (404, "floating IP not found")
    floating(nova, "172.24.4.9")
    fixed = show(demo, server_id)["addresses"]["private"][0]["addr"]
    assert old.post(path, json={"removeFloatingIp": body}).status_code == 409
    assert old.post(path, json={"addFloatingIp": {**body, "fixed_address": "10.1.250.250"}}).status_code == 400
    assert old.post(path, json={"addFloatingIp": {**body, "fixed_address": fixed}}).status_code == 202
    found = show(demo, server_id)["addresses"]["private"]
    assert [(a["addr"], a["OS-EXT-IPS:type"]) for a in found] == [(fixed, "fixed"), ("172.24.4.9", "floating")]
    assert demo.get("/v2.1/servers?ip=172.24.4.9").json()["servers"][0]["id"] == server_id
    assert old.post(path, json={"removeFloatingIp": body}).status_code == 202
    assert len(show(demo, server_id)["addresses"]["private"]) == 1


LEGAL: dict[str, set[str]] = {
    "os-start": {"stopped"},
    "os-stop": {"active", "error"},
    "reboot SOFT": {"active"},
    "reboot HARD": {"active", "stopped", "paused", "suspended", "error"},
}
"""By action, the states that it may begin in: read off nova/compute/api.py (`check_instance_state`), where the states
that are not reached here yet are left out."""


@pytest.mark.parametrize("action", LEGAL)
def test_states_that_an_action_begins_in(nova: Nova, demo: httpx.Client, action: str) -> None:
    server_id = nova.active(demo)
    key, _, kind = action.partition(" ")
    for state in ("active", "stopped", "paused", "suspended", "error", "building", "rescued", "resized"):
        with nova.db.transaction() as tx:
            tx.update_by_key(servers, {"id": server_id}, vm_state=state, task_state=None)
        answer = demo.post(f"/v2.1/servers/{server_id}/action", json={key: {"type": kind} if kind else None})
        assert answer.status_code == (202 if state in LEGAL[action] else 409), (state, answer.text)
        if answer.status_code == 409:
            words = f"Cannot '{key.removeprefix('os-')}' instance {server_id} while it is in vm_state {state}"
            assert message(answer) == words


@pytest.mark.parametrize("task", ["powering-off", "powering-on", "rebooting", "rebooting_hard", "deleting"])
def test_while_something_is_under_way_only_a_hard_reboot_overtakes_a_reboot(
    nova: Nova, demo: httpx.Client, task: str
) -> None:
    server_id = nova.active(demo)
    act = f"/v2.1/servers/{server_id}/action"
    for body in ({"os-stop": None}, {"reboot": {"type": "SOFT"}}, {"reboot": {"type": "HARD"}}):
        with nova.db.transaction() as tx:
            tx.update_by_key(servers, {"id": server_id}, task_state=task)
        overtakes = body == {"reboot": {"type": "HARD"}} and task.startswith("rebooting")
        answer = demo.post(act, json=body)
        assert answer.status_code == (202 if overtakes else 409), body
        if not overtakes:
            assert message(answer).endswith(f"while it is in task_state {task}")


@pytest.mark.parametrize("body", [{"os-stop": None}, {"reboot": {"type": "HARD"}}, {"forceDelete": None}])
def test_a_locked_server_is_left_alone_by_its_owner(
    nova: Nova, demo: httpx.Client, admin: httpx.Client, body: dict[str, Any]
) -> None:
    server_id = nova.active(demo)
    with nova.db.transaction() as tx:
        tx.update_by_key(servers, {"id": server_id}, locked_by="admin")
    answer = demo.post(f"/v2.1/servers/{server_id}/action", json=body)
    assert (answer.status_code, message(answer)) == (409, f"Instance {server_id} is locked")
    assert demo.delete(f"/v2.1/servers/{server_id}").status_code == 409
    assert admin.post(f"/v2.1/servers/{server_id}/action", json=body).status_code == 202


def test_a_server_on_no_host_cannot_be_started(nova: Nova, demo: httpx.Client) -> None:
    server_id = nova.active(demo)
    with nova.db.transaction() as tx:
        tx.update_by_key(servers, {"id": server_id}, vm_state="error", host=None, link_id=None)
    answer = demo.post(f"/v2.1/servers/{server_id}/action", json={"reboot": {"type": "HARD"}})
    assert (answer.status_code, message(answer)) == (409, f"Instance {server_id} is not ready: it is on no host")


def test_an_action_and_its_end_take_few_statements(nova: Nova, demo: httpx.Client) -> None:
    server_id = nova.active(demo)
    nova.served.statements.clear()
    assert demo.post(f"/v2.1/servers/{server_id}/action", json={"os-stop": None}).status_code == 202
    assert sum(nova.served.statements) <= 7, nova.served.statements
    (item,) = (item for item in nova.node.pull().items if item.kind == "guest")
    nova.served.statements.clear()
    nova.node.report(item)
    assert sum(nova.served.statements) <= 10, nova.served.statements
    assert show(demo, server_id)["status"] == "SHUTOFF"
    nova.served.statements.clear()
    nova.node.report(item)
    assert sum(nova.served.statements) <= 3, "nothing is under way"
