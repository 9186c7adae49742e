"""From POST to gone, over HTTP, with a node that the test plays."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from cumulet.engine import timeline
from cumulet.fleet.tables import hosts
from tests.services.compute.books import NOTHING, held
from tests.services.compute.conftest import IMAGE, NETWORK, Nova, message, show


def test_a_server_is_built_runs_and_is_deleted(nova: Nova, demo: httpx.Client) -> None:
    answer = demo.post("/v2.1/servers", json=nova.body("web"))
    assert answer.status_code == 202, answer.text
    made = answer.json()["server"]
    assert set(made) == {"id", "links", "OS-DCF:diskConfig", "security_groups", "adminPass"}
    assert answer.headers["location"] == made["links"][0]["href"]
    body = show(demo, made["id"])
    assert (body["status"], body["OS-EXT-STS:task_state"], body["addresses"]) == ("BUILD", "spawning", {})
    nova.node.work()
    guest = nova.node.guests[made["id"]]
    assert (guest.name, guest.vcpus, guest.memory_mb, guest.root_gb) == ("instance-00000001", 1, 512, 1)
    assert guest.image is not None and guest.image.id == IMAGE
    assert guest.ports[0].network_id == NETWORK
    body = show(demo, made["id"])
    assert (body["status"], body["OS-EXT-STS:power_state"], body["progress"]) == ("ACTIVE", 1, 100)
    assert body["addresses"]["private"][0]["addr"].startswith("10.1.")
    assert body["OS-SRV-USG:launched_at"]
    assert demo.delete(f"/v2.1/servers/{made['id']}").status_code == 204
    assert show(demo, made["id"])["OS-EXT-STS:task_state"] == "deleting"
    assert demo.delete(f"/v2.1/servers/{made['id']}").status_code == 204
    nova.node.work()
    gone = demo.get(f"/v2.1/servers/{made['id']}")
    assert gone.status_code == 404
    assert message(gone) == f"Instance {made['id']} could not be found."
    assert demo.delete(f"/v2.1/servers/{made['id']}").status_code == 404
    assert held(nova) == NOTHING


def test_stop_start_reboot(nova: Nova, demo: httpx.Client) -> None:
    server_id = nova.active(demo)
    act = f"/v2.1/servers/{server_id}/action"
    answer = demo.post(act, json={"os-start": None})
    assert answer.status_code == 409
    assert message(answer) == f"Cannot 'start' instance {server_id} while it is in vm_state active"
    assert demo.post(act, json={"os-stop": None}).status_code == 202
    assert show(demo, server_id)["OS-EXT-STS:task_state"] == "powering-off"
    assert demo.post(act, json={"os-stop": None}).status_code == 409
    nova.node.work()
    body = show(demo, server_id)
    assert (body["status"], body["OS-EXT-STS:power_state"]) == ("SHUTOFF", 4)
    assert demo.post(act, json={"reboot": {"type": "SOFT"}}).status_code == 409
    assert demo.post(act, json={"os-start": None}).status_code == 202
    nova.node.work()
    assert show(demo, server_id)["status"] == "ACTIVE"
    for kind, status, counter in (("SOFT", "REBOOT", "soft_reboots"), ("HARD", "HARD_REBOOT", "hard_reboots")):
        assert demo.post(act, json={"reboot": {"type": kind}}).status_code == 202
        assert show(demo, server_id)["status"] == status
        nova.node.work()
        assert show(demo, server_id)["status"] == "ACTIVE"
        assert getattr(nova.node.guests[server_id], counter) == 1
    names = [a["action"] for a in demo.get(f"/v2.1/servers/{server_id}/os-instance-actions").json()["instanceActions"]]
    assert names == ["reboot", "reboot", "start", "stop", "create"]


@pytest.mark.parametrize(
    "action", [{"os-stop": None}, {"reboot": {"type": "SOFT"}}, {"reboot": {"type": "HARD"}}, {"forceDelete": None}]
)
def test_the_timeline_says_who_asked(nova: Nova, demo: httpx.Client, action: dict[str, Any]) -> None:
    server_id = nova.active(demo)
    with nova.db.read() as tx:
        before = len(timeline.history(tx, server_id))
    answer = demo.post(f"/v2.1/servers/{server_id}/action", json=action)
    assert answer.status_code == 202
    with nova.db.read() as tx:
        entries = timeline.history(tx, server_id)[before:]
    assert [entry.user_name for entry in entries] == ["demo"] and entries[0].project_id
    assert entries[0].request_id == answer.headers["x-openstack-request-id"]


def test_a_guest_that_stops_by_itself_is_shutoff(nova: Nova, demo: httpx.Client) -> None:
    server_id = nova.active(demo)
    nova.node.seen -= 1
    item = next(item for item in nova.node.pull().items if item.ref == server_id)
    nova.node.report(item, facts={"power_state": "shutdown"})
    assert show(demo, server_id)["status"] == "SHUTOFF"
    nova.node.work()
    assert nova.node.guests[server_id].power == "off"
    assert show(demo, server_id)["status"] == "SHUTOFF"


def test_no_host_has_room_says_who_lacks_what(nova: Nova, demo: httpx.Client, admin: httpx.Client) -> None:
    flavor = {"name": "huge", "ram": 1 << 20, "vcpus": 1, "disk": 1}
    assert admin.post("/v2.1/flavors", json={"flavor": {**flavor, "id": "huge"}}).status_code == 200
    project = show(demo, nova.create(demo))["tenant_id"]
    limits = {"quota_set": {"ram": -1}}
    assert admin.put(f"/v2.1/os-quota-sets/{project}", json=limits).status_code == 200
    server_id = nova.create(demo, flavorRef="huge")
    body = show(demo, server_id)
    assert (body["status"], body["fault"]["code"]) == ("ERROR", 500)
    assert body["fault"]["message"].startswith("No valid host was found.")
    assert "details" not in body["fault"]
    details = show(admin, server_id)["fault"]["details"]
    assert "compute1" in details and "MEMORY_MB" in details
    before = held(nova)
    assert demo.delete(f"/v2.1/servers/{server_id}").status_code == 204
    assert demo.get(f"/v2.1/servers/{server_id}").status_code == 404
    assert held(nova)["servers"] == before["servers"] - 1


def test_a_wrong_wish_is_refused_also_when_no_host_has_room(nova: Nova, demo: httpx.Client) -> None:
    with nova.db.transaction() as tx:
        tx.execute(hosts.update().values(disabled=True))
    before = held(nova)
    wrong = {"networks": [{"uuid": "00000000-0000-4000-8000-00000000dead"}]}, {"security_groups": [{"name": "nobody"}]}
    for wish in wrong:
        answer = demo.post("/v2.1/servers", json=nova.body(**wish))  # type: ignore[arg-type]
        assert answer.status_code == 400, answer.text
    assert held(nova) == before


@pytest.mark.parametrize("when", ["building", "active", "stopped", "error"])
def test_delete_works_in_every_state(nova: Nova, demo: httpx.Client, when: str) -> None:
    server_id = nova.create(demo)
    if when != "building":
        if when == "error":
            nova.node.react = lambda item: {"state": "failed", "error": "no"} if item.kind == "guest" else {}
        nova.node.work()
    if when == "stopped":
        demo.post(f"/v2.1/servers/{server_id}/action", json={"os-stop": None})
        nova.node.work()
    expected = {"building": "BUILD", "active": "ACTIVE", "stopped": "SHUTOFF", "error": "ERROR"}[when]
    assert show(demo, server_id)["status"] == expected
    nova.node.react = lambda item: {}
    assert demo.delete(f"/v2.1/servers/{server_id}").status_code == 204
    nova.node.work()
    assert demo.get(f"/v2.1/servers/{server_id}").status_code == 404
    assert held(nova) == NOTHING
