"""Orders to simulated hosts, from the operator's call over the link to what the hosts do."""

from __future__ import annotations

import http.client
import json
import time
from pathlib import Path
from typing import Any

import pytest

from cumulet.fleet import door
from cumulet.node.agent import Agent
from cumulet.node.journal import Journal
from cumulet.node.parts import PartError
from tests.fleet.test_link import Cloud, Node, _settled, _until, guest, guest_id


def tell(cloud: Cloud, order: Any, secret: str = "operator") -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
    connection = http.client.HTTPConnection("127.0.0.1", cloud.port)
    if order is None:
        connection.request("GET", "/v1/simulation", headers=headers)
    else:
        connection.request("POST", "/v1/simulation", json.dumps(order), headers)
    answer = connection.getresponse()
    told = json.load(answer)
    connection.close()
    return answer.status, told if answer.status == 200 else told["errors"][0]["detail"]


def up(cloud: Cloud) -> dict[str, bool]:
    with cloud.db.read() as tx:
        return {host.name: host.up for host in door.hosts(tx)}


def counted(cloud: Cloud) -> tuple[int, int]:
    """How many hosts are up and how many are down, as ``/metrics`` says it."""
    with cloud.db.read() as tx:
        found = door.host_counts(tx)
    return found["up"], found["down"]


def test_a_rule_counts_at_once_and_outlives_the_node(cloud: Cloud, node: Node, tmp_path: Path) -> None:
    begun = time.monotonic()
    assert tell(cloud, {"rule": {"do": ["boot=fail"], "nth": 2}})[0] == 200
    took = time.monotonic() - begun
    for number in (1, 2, 3):
        cloud.want(guest(number))
    _until(lambda: _settled(cloud, 3) or cloud.states().get(guest_id(2), ("",))[0] == "failed")
    _until(lambda: {g.id for g in node.parts.guests()} == {guest_id(1), guest_id(3)})
    node.kill()
    again = Node(cloud, tmp_path)
    cloud.want(guest(4))  # ends the dead node's last poll, which would take the question with it
    _until(lambda: len(again.parts.guests()) == 3)
    assert [rule["met"] for rule in tell(cloud, None)[1]["rules"]] == [2]
    assert {g.id for g in again.parts.guests()} == {guest_id(1), guest_id(3), guest_id(4)}
    assert tell(cloud, {"clear": True}) == (200, {"seed": 0, "rules": [], "hosts": {}})
    _until(lambda: _settled(cloud, 4))
    again.kill()
    assert took < 3  # some 15 ms on a quiet machine


def test_a_host_dies_and_returns(cloud: Cloud, node: Node) -> None:
    cloud.want(guest(1))
    _until(lambda: _settled(cloud, 1))
    tell(cloud, {"host": {"name": "sim-0001", "state": "down"}})
    assert up(cloud) == {"sim-0001": False, "sim-0002": True}
    assert counted(cloud) == (1, 1), "an alert for hosts that are down sees it, too"
    assert [g.running for g in node.parts.guests()] == [False]
    cloud.want(guest(2))
    node.agent.sweep()
    time.sleep(0.1)
    assert len(node.parts.guests()) == 1
    tell(cloud, {"host": {"name": "sim-0001", "state": "up"}})
    assert up(cloud) == {"sim-0001": True, "sim-0002": True}
    _until(lambda: _settled(cloud, 2))
    _until(lambda: {(g.id, g.running, g.started) for g in node.parts.guests()} == {
        (guest_id(1), True, 2), (guest_id(2), True, 1)
    })  # fmt: skip


@pytest.mark.parametrize(("event", "told"), [("crash", "crashed"), ("power-off", "shutdown")])
def test_a_guest_ends_by_itself_and_stays_off_until_it_is_asked_for(
    cloud: Cloud,
    node: Node,
    event: str,
    told: str,
) -> None:
    cloud.want(guest(1))
    _until(lambda: _settled(cloud, 1))
    assert tell(cloud, {"server": {"name": "g", "event": event}})[0] == 200
    _until(lambda: cloud.reports[-1].facts.get("power_state") == told)
    node.agent.sweep()
    time.sleep(0.05)
    assert [g.running for g in node.parts.guests()] == [False]
    assert tell(cloud, {"server": {"name": "g", "event": event}}) == (400, "g does not run.")
    cloud.want(guest(1, "off"))
    _until(lambda: [g.ended for g in node.parts.guests()] == [""])
    cloud.want(guest(1))
    _until(lambda: cloud.reports[-1].facts.get("power_state") == "running")


def test_a_life_has_an_end(cloud: Cloud, node: Node) -> None:
    tell(cloud, {"rule": {"do": ["crash=200ms"]}})
    cloud.want(guest(1))
    _until(lambda: [g.running for g in node.parts.guests()] == [True])
    _until(lambda: "crashed" in [report.facts.get("power_state") for report in cloud.reports], 2)


def test_who_may_and_what_is_refused(cloud: Cloud, node: Node) -> None:
    assert tell(cloud, {"clear": True}, "wrong")[0] == 401
    assert tell(cloud, {"rule": {"do": ["bot=fail"]}}) == (400, "there is no behaviour bot; did you mean boot?")
    assert tell(cloud, {"host": {"name": "sim-01", "state": "up"}})[1].endswith("did you mean sim-0001?")
    assert tell(cloud, {"server": {"name": "x", "event": "crash"}})[0] == 400
    assert tell(cloud, {"clear": 5}) == (400, "there is no rule 5.")


def test_a_real_host_takes_no_orders() -> None:
    from cumulet.desired.questions import Job
    from cumulet.node.link import Link

    agent = Agent(Link("http://127.0.0.1:1"), object(), Journal(None))  # type: ignore[arg-type]
    with pytest.raises(PartError, match="real"):
        agent.questions.answered(Job(id="x", host="", kind="simulate", args={"clear": True}))
