"""Agents: what the nodes of hosts do, as Neutron's clients list it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cumulet.desired.hosts import HostFacts
from cumulet.engine import tables as _engine_tables  # noqa: F401 - declares its tables
from cumulet.fleet.model import hosts
from cumulet.fleet.tables import links
from cumulet.services.network.api import load
from cumulet.services.network.context import NetworkContext
from tests.services.network.conftest import Cloud
from tests.services.serving import Running, running

ABSENT = "11111111-2222-3333-4444-555555555555"
L3, DHCP, METADATA, BRIDGE = (
    *("neutron-l3-agent", "neutron-dhcp-agent", "neutron-metadata-agent"),
    "neutron-linuxbridge-agent",
)


def agent(cloud: Cloud, host: str, binary: str) -> Any:
    (found,) = cloud.found("agent", f"host={host}&binary={binary}", "admin")
    return found


def test_a_network_host_has_four_agents_and_a_compute_host_one(cloud: Cloud) -> None:
    found = cloud.found("agent", "", "admin")
    assert sorted((each["host"], each["agent_type"]) for each in found) == [
        ("cpu-host", "Linux bridge agent"),
        ("net-host", "DHCP agent"),
        ("net-host", "L3 agent"),
        ("net-host", "Linux bridge agent"),
        ("net-host", "Metadata agent"),
    ]
    assert len({each["id"] for each in found}) == len(found)


@pytest.mark.parametrize(
    ("binary", "topic", "zone", "configurations"),
    [
        (L3, "l3_agent", "nova", {}),
        (DHCP, "dhcp_agent", "nova", {}),
        (METADATA, "N/A", None, {}),
        (BRIDGE, "N/A", None, {"tunnel_types": ["vxlan"], "tunneling_ip": "10.255.0.1", "bridge_mappings": {}}),
    ],
)
def test_an_agent_says_what_it_does(
    cloud: Cloud, binary: str, topic: str, zone: str | None, configurations: Any
) -> None:
    found = agent(cloud, "net-host", binary)
    assert (found["topic"], found["availability_zone"]) == (topic, zone)
    assert found["configurations"] == configurations
    assert found["admin_state_up"] is True
    assert cloud.show("agent", found["id"], "admin") == found
    assert "T" not in found["heartbeat_timestamp"] and found["created_at"] == found["started_at"]


@pytest.mark.parametrize(
    ("query", "many"),
    [
        ("host=net-host", 4),
        ("host=cpu-host&host=net-host", 5),
        ("agent_type=L3%20agent", 1),
        ("binary=neutron-l3-agent&host=cpu-host", 0),
        ("availability_zone=nova", 2),
        ("admin_state_up=true", 5),
        ("admin_state_up=false", 0),
        ("topic=dhcp_agent", 1),
        (f"id={ABSENT}", 0),
    ],
)
def test_lists_are_filtered(cloud: Cloud, query: str, many: int) -> None:
    assert len(cloud.found("agent", query, "admin")) == many


def test_fields_are_those_asked_for(cloud: Cloud) -> None:
    assert all(each.keys() == {"id", "host"} for each in cloud.found("agent", "fields=id&fields=host", "admin"))
    one = agent(cloud, "net-host", L3)
    shown = cloud.call("GET", f"agents/{one['id']}?fields=binary", None, "admin", 200)["agent"]
    assert shown == {"binary": L3}


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("colour=red", "['colour'] is invalid attribute for filtering"),
        ("configurations=x", "['configurations'] is invalid attribute for filtering"),
        ("alive=perhaps", "Invalid input for alive. Reason: 'perhaps' cannot be converted to boolean."),
    ],
)
def test_filters_that_agents_do_not_have(cloud: Cloud, query: str, message: str) -> None:
    assert cloud.fault("GET", f"agents?{query}", None, 400, "admin") == ("HTTPBadRequest", message)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_an_agent_that_is_not_there(cloud: Cloud, method: str) -> None:
    wanted = ("AgentNotFound", f"Agent {ABSENT} could not be found.")
    assert cloud.fault(method, f"agents/{ABSENT}", None, 404, "admin") == wanted


@pytest.mark.parametrize("token", ["demo", "reader"])
def test_agents_are_for_administrators(cloud: Cloud, token: str) -> None:
    one = agent(cloud, "net-host", L3)
    for method, path, rule in (
        ("GET", "agents", "get_agent"),
        ("GET", f"agents/{one['id']}", "get_agent"),
        ("DELETE", f"agents/{one['id']}", "delete_agent"),
    ):
        wanted = ("PolicyNotAuthorized", f"rule:{rule} is disallowed by policy")
        assert cloud.fault(method, path, None, 403, token) == wanted


@pytest.fixture
def gone(tmp_path: Path) -> Iterator[tuple[Running, str]]:
    """A service whose one network host has not been heard of, and the id of its link."""
    with running(load(), NetworkContext(), tmp_path / "agents.db") as found:
        facts = HostFacts(hostname="gone", vcpus=1, memory_mb=1, disk_gb=1)
        with found.db.transaction() as tx:
            link = hosts.join(tx, "gone", [facts])[0]
        yield found, link


def test_an_agent_that_is_alive_stays(gone: tuple[Running, str]) -> None:
    service, _ = gone
    with service.client("admin") as client:
        one = client.get(f"/v2.0/agents?binary={L3}").json()["agents"][0]
        assert one["alive"] is True
        answer = client.delete(f"/v2.0/agents/{one['id']}")
        assert answer.status_code == 409
        assert answer.json()["NeutronError"] == {
            "type": "AgentInUse",
            "message": f"Agent {one['id']} is alive and cannot be deleted: the node of gone does its work. "
            "Stop the node first.",
            "detail": "",
        }


def test_an_agent_of_a_silent_node_is_removed_alone(gone: tuple[Running, str]) -> None:
    service, link = gone
    with service.db.transaction() as tx:
        tx.update_by_key(links, {"id": link}, last_seen=0)
    with service.client("admin") as client:
        found = client.get("/v2.0/agents").json()["agents"]
        assert [each["alive"] for each in found] == [False] * 4
        assert len(client.get("/v2.0/agents?alive=false").json()["agents"]) == 4
        (one,) = (each for each in found if each["binary"] == L3)
        assert client.delete(f"/v2.0/agents/{one['id']}").status_code == 204
        assert client.get(f"/v2.0/agents/{one['id']}").status_code == 404
        left = {each["binary"] for each in client.get("/v2.0/agents").json()["agents"]}
        assert left == {DHCP, METADATA, BRIDGE}
