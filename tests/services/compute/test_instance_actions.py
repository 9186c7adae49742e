"""What was asked of a server, by whom, and how it ended."""

from __future__ import annotations

from typing import Any

import httpx

from tests.services.compute.conftest import (
    Nova,
)


def asked(client: httpx.Client, server_id: str, query: str = "") -> list[dict[str, Any]]:
    answer = client.get(f"/v2.1/servers/{server_id}/os-instance-actions{query}")
    assert answer.status_code == 200, answer.text
    return list(answer.json()["instanceActions"])


EVENTS = {
    "create": "compute__do_build_and_run_instance",
    "stop": "compute_stop_instance",
    "start": "compute_start_instance",
    "reboot": "compute_reboot_instance",
}
"""Nova's names: nova/compute/manager.py, `wrap_instance_event(prefix='compute')`."""


def test_each_action_has_its_event(nova: Nova, demo: httpx.Client) -> None:
    server_id = nova.active(demo)
    for body in ({"os-stop": None}, {"os-start": None}, {"reboot": {"type": "SOFT"}}):
        demo.post(f"/v2.1/servers/{server_id}/action", json=body)
        nova.node.work()
    found = asked(demo, server_id)
    assert [action["action"] for action in found] == ["reboot", "start", "stop", "create"]
    for action in found:
        path = f"/v2.1/servers/{server_id}/os-instance-actions/{action['request_id']}"
        (event,) = demo.get(path).json()["instanceAction"]["events"]
        assert (event["event"], event["result"]) == (EVENTS[action["action"]], "Success")
        assert event["finish_time"] is not None and "host" not in event and event["details"] is None


def test_a_failure_is_told_to_administrators(nova: Nova, demo: httpx.Client, admin: httpx.Client) -> None:
    server_id = nova.active(demo)
    nova.node.react = lambda item: {"state": "failed", "error": "No.", "detail": "/x"} if item.kind == "guest" else {}
    demo.post(f"/v2.1/servers/{server_id}/action", json={"os-stop": None})
    nova.node.work()
    (stop, _) = asked(demo, server_id)
    assert stop["message"] == "Error"
    path = f"/v2.1/servers/{server_id}/os-instance-actions/{stop['request_id']}"
    (event,) = admin.get(path).json()["instanceAction"]["events"]
    assert (event["result"], event["details"], event["host"]) == ("Error", "/x", "compute1")
    assert demo.get(path).json()["instanceAction"]["events"][0]["details"] is None


def test_in_pages_and_by_time(nova: Nova, demo: httpx.Client) -> None:
    server_id = nova.active(demo)
    demo.post(f"/v2.1/servers/{server_id}/action", json={"os-stop": None})
    path = f"/v2.1/servers/{server_id}/os-instance-actions?limit=1"
    seen: list[str] = []
    url: str | None = path
    while url is not None:
        body = demo.get(url).json()
        seen += [action["action"] for action in body["instanceActions"]]
        url = {link["rel"]: link["href"] for link in body.get("links", [])}.get("next")
    assert seen == ["stop", "create"]
    assert asked(demo, server_id, "?changes-since=2099-01-01T00:00:00Z") == []
    assert asked(demo, server_id, "?changes-before=2020-01-01T00:00:00Z") == []
    assert demo.get(f"{path}&marker=req-nope").status_code == 400
    assert demo.get(f"/v2.1/servers/{server_id}/os-instance-actions/req-nope").status_code == 404


def test_those_of_a_deleted_server_are_there_from_2_21_on(nova: Nova, demo: httpx.Client, old: httpx.Client) -> None:
    server_id = nova.active(demo)
    demo.delete(f"/v2.1/servers/{server_id}")
    nova.node.work()
    assert [action["action"] for action in asked(demo, server_id)] == ["delete", "create"]
    assert old.get(f"/v2.1/servers/{server_id}/os-instance-actions").status_code == 404


def test_events_before_2_51_are_for_administrators(nova: Nova, demo: httpx.Client, admin: httpx.Client) -> None:
    server_id = nova.active(demo)
    request_id = asked(demo, server_id)[0]["request_id"]
    path = f"/v2.1/servers/{server_id}/os-instance-actions/{request_id}"
    with nova.client("demo", "2.50") as before, nova.client("admin", "2.50") as admin_before:
        assert "events" not in before.get(path).json()["instanceAction"]
        (event,) = admin_before.get(path).json()["instanceAction"]["events"]
        assert "traceback" in event and "hostId" not in event
