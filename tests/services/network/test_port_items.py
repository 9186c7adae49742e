"""Ports as items on the link: what nodes are told of them, and when."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from cumulet.desired.guest import Guest
from cumulet.desired.items import Item
from cumulet.desired.port import joined
from cumulet.fleet import door as fleet
from cumulet.fleet.model import desired
from cumulet.fleet.model.formats import Reader
from cumulet.services.network import door
from cumulet.services.network.door import NetworkRequest
from tests.services.network.conftest import Cloud


class Told:
    """The nodes of the cloud, and a server with one port on the second of them."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud, self.server = cloud, str(uuid.uuid4())
        self.network, _ = cloud.network()
        (self.port,) = cloud.plug([NetworkRequest(network_id=self.network["id"])], self.server)
        with cloud.db.transaction() as tx:
            self.here = cloud.links[1]
            fleet.publish(tx, link_id=self.here, kind="guest", ref=self.server, host="cpu-host")
        self.since = self.revision()

    def revision(self) -> int:
        with self.cloud.db.read() as tx:
            return fleet.newest_revision(tx)

    def render(self, tx: Any, link_id: str, refs: Any) -> dict[str, Guest]:
        found = door.plugs(tx, refs)
        return {
            ref: Guest(id=ref, name="instance-1", display_name="", vcpus=1, memory_mb=1, root_gb=1, ports=found[ref])
            for ref in refs
        }

    def older(self, tx: Any, link_id: str, specs: Any) -> Any:
        for guest in specs.values():
            whole = door.whole_ports(tx, link_id, [plug.port_id for plug in guest.ports])
            guest.interfaces, guest.ports = joined(guest.ports, whole), []
        return specs

    def news(self, link: int = 1, *, before: bool = False) -> dict[tuple[str, str], Item]:
        """What the link is told now, since this was asked last, as a node of today or one of before."""
        kinds: list[Any] = ["guest"] if before else ["port", "guest"]
        reader = Reader(formats={}, older={"guest": self.older}) if before else Reader()
        with self.cloud.db.read() as tx:
            renderers = {**door.RENDERERS, "guest": self.render}
            found = desired.changes(tx, self.cloud.links[link], self.since, kinds, renderers, reader)
        self.since = max(self.since, found.revision)
        return {(item.kind, item.ref): item for item in found.items}


@pytest.fixture
def told(cloud: Cloud) -> Iterator[Told]:
    found = Told(cloud)
    yield found
    with cloud.db.transaction() as tx:
        door.unplug_server(tx, found.server)
        fleet.withdraw(tx, link_id=found.here, kind="guest", ref=found.server)


def test_a_guest_names_its_port_and_the_port_says_the_rest(told: Told) -> None:
    told.since = 0
    news = told.news()
    guest, port = news["guest", told.server].spec, news["port", told.port.port_id].spec
    assert [(plug.port_id, plug.mac, plug.mtu) for plug in guest.ports] == [(told.port.port_id, told.port.mac, 1450)]
    assert guest.interfaces == []
    assert (port.id, port.guest_id, port.mac) == (told.port.port_id, told.server, told.port.mac)
    assert [each.ip for each in port.addresses] == told.port.addresses and len(port.security_groups) == 1
    assert news["port", told.port.port_id].host == "cpu-host"
    assert ("port", told.port.port_id) not in told.news(0)


def test_a_change_of_a_port_is_no_change_of_its_guest(told: Told) -> None:
    group = told.cloud.make("security_group", name="other")
    path = f"ports/{told.port.port_id}"
    for values in ({"security_groups": [group["id"]]}, {"admin_state_up": False}, {"name": "new"}):
        told.cloud.call("PUT", path, {"port": values}, "demo", 200)
        assert told.news().keys() == {("port", told.port.port_id)}
    told.since = 0
    spec = told.news()["port", told.port.port_id].spec
    assert (spec.security_groups, spec.admin_state_up) == ([group["id"]], False)


def test_nodes_of_before_are_told_of_ports_with_their_guests(told: Told) -> None:
    """One of 0.2.0 asks for guests alone and says nothing of formats: format 1, with the whole ports."""
    group = told.cloud.make("security_group", name="before")
    body = {"port": {"security_groups": [group["id"]]}}
    told.cloud.call("PUT", f"ports/{told.port.port_id}", body, "demo", 200)
    news = told.news(before=True)
    assert news.keys() == {("guest", told.server)}
    item = news["guest", told.server]
    assert item.format == 1 and item.spec.ports == []
    (interface,) = item.spec.interfaces
    assert (interface.port_id, interface.security_groups) == (told.port.port_id, [group["id"]])
    assert told.news(before=True) == {}
    told.since = 0
    assert told.news(before=True)["guest", told.server].spec.interfaces == [interface]


def test_a_port_that_is_deleted_leaves_its_guest(told: Told) -> None:
    told.cloud.call("DELETE", f"ports/{told.port.port_id}", None, "demo", 204)
    news = told.news()
    assert news["port", told.port.port_id].gone
    assert news["guest", told.server].spec.ports == []


def test_a_port_goes_where_its_server_goes(told: Told) -> None:
    with told.cloud.db.transaction() as tx:
        door.rebind_server(tx, told.server, "net-host", told.cloud.links[0])
    since = told.since
    assert told.news(1)["port", told.port.port_id].gone
    told.since = since
    assert told.news(0)["port", told.port.port_id].host == "net-host"
    with told.cloud.db.transaction() as tx:
        door.unplug_server(tx, told.server)
    assert told.news(0)["port", told.port.port_id].gone


def test_a_port_that_was_brought_is_no_item_before_and_after(cloud: Cloud) -> None:
    network, _ = cloud.network()
    port, server = cloud.make("port", network_id=network["id"]), str(uuid.uuid4())

    def wanted() -> list[str]:
        with cloud.db.read() as tx:
            return fleet.wanted_on(tx, "port", port["id"])

    assert wanted() == []
    cloud.plug([NetworkRequest(port_id=port["id"])], server)
    assert wanted() == [cloud.links[1]]
    with cloud.db.transaction() as tx:
        door.unplug_server(tx, server)
    assert wanted() == []


def test_a_port_on_a_host_without_a_server_is_no_item(cloud: Cloud) -> None:
    """An administrator may say where a port is; nothing is plugged in there."""
    network, _ = cloud.network()
    port = cloud.make("port", "admin", network_id=network["id"], **{"binding:host_id": "cpu-host"})
    with cloud.db.read() as tx:
        assert fleet.wanted_on(tx, "port", port["id"]) == []


def test_rendering_ports_takes_a_constant_number_of_statements(cloud: Cloud) -> None:
    network, _ = cloud.network()
    numbers = set()
    for size in (1, 4):
        made = [cloud.plug([NetworkRequest(network_id=network["id"])])[0].port_id for _ in range(size)]
        with cloud.db.read() as tx:
            before = tx.statements
            assert len(door.RENDERERS["port"](tx, cloud.links[1], made)) == size
            numbers.add(tx.statements - before)
    assert numbers == {3}
