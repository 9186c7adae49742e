"""The flows: each step twice, nodes that fail, hosts that die, deadlines that pass. Nothing is left behind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

from cumulet.desired.items import Item, Report
from cumulet.engine.tables import flows
from cumulet.fleet.model import desired as desired_model
from cumulet.fleet.tables import links
from cumulet.services.compute import door
from cumulet.services.network.tables import ports
from tests.services.compute.books import NOTHING, held
from tests.services.compute.conftest import Nova, show


def expire(nova: Nova) -> None:
    """Every deadline has passed."""
    with nova.db.transaction() as tx:
        tx.execute(update(flows).values(deadline_at=tx.now - 1, due_at=tx.now - 1))
    nova.run_flows()


def due(nova: Nova) -> None:
    """Every flow looks again."""
    with nova.db.transaction() as tx:
        tx.execute(update(flows).values(due_at=tx.now - 1))
    nova.engine.run_due()


def left(nova: Nova) -> list[str]:
    with nova.db.read() as tx:
        return [row.kind for row in tx.rows(select(flows.c.kind))]


def silence(nova: Nova) -> None:
    """The node has not been heard for long."""
    with nova.db.transaction() as tx:
        tx.execute(update(links).values(last_seen=1))


def failing(*names: str) -> Callable[[Item], dict[str, Any]]:
    def react(item: Item) -> dict[str, Any]:
        fails = item.kind == "guest" and item.spec is not None and item.host in names
        return {"state": "failed", "error": "The disk is full."} if fails else {}

    return react


def hopeless(item: Item) -> dict[str, Any]:
    if item.kind != "guest" or item.spec is None:
        return {}
    return {"state": "failed", "error": "No disk.", "detail": "/secret/path"}


def test_each_step_twice(nova: Nova, demo: httpx.Client) -> None:
    server_id = nova.create(demo)
    for _ in range(2):
        due(nova)
    assert show(demo, server_id)["status"] == "BUILD"
    items = nova.node.work()
    for item in items:
        nova.node.report(item)
    assert show(demo, server_id)["status"] == "ACTIVE"
    due(nova)
    demo.delete(f"/v2.1/servers/{server_id}")
    for _ in range(2):
        due(nova)
    assert demo.get(f"/v2.1/servers/{server_id}").status_code == 200
    for item in nova.node.work():
        nova.node.report(item)
    due(nova)
    assert held(nova) == NOTHING
    assert left(nova) == []


def test_a_host_that_fails_is_left_for_another(nova: Nova, demo: httpx.Client, admin: httpx.Client) -> None:
    second = nova.join("compute2", memory_mb=1024 * 1024)
    nova.node.react = second.react = failing("compute2")
    server_id = nova.create(demo)
    assert show(admin, server_id)["OS-EXT-SRV-ATTR:host"] == "compute2"
    second.work()
    body = show(admin, server_id)
    assert (body["status"], body["OS-EXT-SRV-ATTR:host"]) == ("BUILD", "compute1")
    second.work()
    nova.node.work()
    body = show(admin, server_id)
    assert (body["status"], body["hostId"] != "") == ("ACTIVE", True)
    with nova.db.read() as tx:
        assert tx.scalar(select(ports.c.host).where(ports.c.device_id == server_id)) == "compute1"
    assert held(nova)["claims"] == 1 and held(nova)["guests"] == 1


def test_every_host_fails(nova: Nova, demo: httpx.Client, admin: httpx.Client) -> None:
    nodes = [nova.node, *(nova.join(f"more{i}") for i in range(4))]
    for node in nodes:
        node.react = hopeless
    server_id = nova.create(demo)
    for _ in range(6):
        for node in nodes:
            node.work()
    body = show(demo, server_id)
    assert (body["status"], "No disk." in body["fault"]["message"], "secret" in str(body)) == ("ERROR", True, False)
    assert "/secret/path" in show(admin, server_id)["fault"]["details"]
    now = held(nova)
    assert (now["ports"], now["claims"], now["guests"], now["usage"]) == (0, 0, 0, (1, 1, 512))
    assert demo.delete(f"/v2.1/servers/{server_id}").status_code == 204
    assert held(nova) == NOTHING and left(nova) == []


def test_nobody_reports_in_time(nova: Nova, demo: httpx.Client) -> None:
    server_id = nova.create(demo)
    expire(nova)
    body = show(demo, server_id)
    assert body["status"] == "ERROR" and "600 seconds" in body["fault"]["message"]
    now = held(nova)
    assert (now["ports"], now["claims"]) == (0, 0)
    nova.node.work()
    assert nova.node.guests == {} and held(nova)["guests"] == 0
    assert show(demo, server_id)["status"] == "ERROR"


def test_a_delete_whose_host_is_down_does_not_wait(nova: Nova, demo: httpx.Client) -> None:
    server_id = nova.active(demo)
    silence(nova)
    demo.delete(f"/v2.1/servers/{server_id}")
    due(nova)
    assert demo.get(f"/v2.1/servers/{server_id}").status_code == 404
    assert held(nova) == {**NOTHING, "guests": 1}  # the tombstone
    nova.node.work()
    assert nova.node.guests == {} and held(nova) == NOTHING


def test_a_delete_whose_deadline_passes(nova: Nova, demo: httpx.Client) -> None:
    server_id = nova.active(demo)
    demo.delete(f"/v2.1/servers/{server_id}")
    expire(nova)
    assert demo.get(f"/v2.1/servers/{server_id}").status_code == 404
    nova.node.work()
    assert held(nova) == NOTHING


@pytest.mark.parametrize("action", [{"os-stop": None}, {"reboot": {"type": "SOFT"}}, {"reboot": {"type": "HARD"}}])
def test_power_whose_deadline_passes_mends_itself(nova: Nova, demo: httpx.Client, action: dict) -> None:
    server_id = nova.active(demo)
    assert demo.post(f"/v2.1/servers/{server_id}/action", json=action).status_code == 202
    expire(nova)
    body = show(demo, server_id)
    assert (body["status"], body["OS-EXT-STS:task_state"]) == ("ERROR", None)
    nova.node.work()
    assert show(demo, server_id)["status"] == ("SHUTOFF" if "os-stop" in action else "ACTIVE")
    assert "fault" not in show(demo, server_id)


def test_a_late_report_loses(nova: Nova, demo: httpx.Client) -> None:
    server_id = nova.create(demo)
    late = next(item for item in nova.node.pull().items if item.ref == server_id)
    demo.delete(f"/v2.1/servers/{server_id}")
    nova.node.report(late)
    assert show(demo, server_id)["status"] == "BUILD"
    nova.node.work()
    assert held(nova) == NOTHING
    with nova.db.transaction() as tx:
        report = Report(host="compute1", kind="guest", ref=server_id, revision=late.revision, state="ready")
        assert desired_model.keep_reports(tx, nova.node.link_id, [report], door.reports(nova.engine)) == 0
    assert demo.get(f"/v2.1/servers/{server_id}").status_code == 404


def test_a_failed_stop_is_an_error_and_a_hard_reboot_mends_it(nova: Nova, demo: httpx.Client) -> None:
    server_id = nova.active(demo)
    nova.node.react = failing("compute1")
    demo.post(f"/v2.1/servers/{server_id}/action", json={"os-stop": None})
    nova.node.work()
    body = show(demo, server_id)
    assert (body["status"], body["fault"]["message"]) == ("ERROR", "The disk is full.")
    nova.node.react = lambda item: {}
    answer = demo.post(f"/v2.1/servers/{server_id}/action", json={"reboot": {"type": "HARD"}})
    assert answer.status_code == 202
    nova.node.work()
    assert show(demo, server_id)["status"] == "ACTIVE"
    assert left(nova) == []


def test_disabled_and_dead_hosts_get_no_server(nova: Nova, demo: httpx.Client, admin: httpx.Client) -> None:
    services = admin.get("/v2.1/os-services?binary=nova-compute").json()["services"]
    body = {"status": "disabled", "disabled_reason": "broken fan"}
    assert admin.put(f"/v2.1/os-services/{services[0]['id']}", json=body).status_code == 200
    server_id = nova.create(demo)
    assert "broken fan" in show(admin, server_id)["fault"]["details"]
    admin.put(f"/v2.1/os-services/{services[0]['id']}", json={"status": "enabled"})
    silence(nova)
    server_id = nova.create(demo)
    assert "is down" in show(admin, server_id)["fault"]["details"]
