"""Guests that are here and that this host no longer understands: they run on, as they are, with their network.

A guest may be refused from the first moment: its journal was lost, or an older version of the node took what this one
does not. It is wanted nevertheless, and nothing of it may be taken for a leftover.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from cumulet.node import real
from cumulet.node.simulated import SimulatedGuest, SimulatedParts
from tests.node.test_checks import ID, NETWORK, OTHER, PORT, Node, item, spec

STRAY = "0a000000-0000-4000-8000-000000000003"
ITS_PORT = "0c000000-0000-4000-8000-000000000009"
REFUSED = (spec() | {"name": "virbr0"}, spec() | {"power": "sideways"}, {"id": OTHER}, None)


def tell(node: Node, items: list[Any]) -> None:
    """Everything that is wanted, as after a start of the node."""
    node.hear(items, full=True)
    node.agent._heard |= {"network", "router", "security_group"}


class Guests:
    """Guest parts that say who is here, and write down who was removed."""

    def __init__(self) -> None:
        self.removed: list[str] = []

    def observe(self) -> list[Any]:
        return [SimpleNamespace(id=each) for each in (ID, OTHER)]

    def leftovers(self) -> list[str]:
        return [STRAY]

    def folders(self) -> list[str]:
        return [each for each in (ID, OTHER, STRAY) if each not in self.removed]

    def absent(self, uuid: str) -> None:
        self.removed.append(uuid)

    def sweep_images(self, keep: set[str]) -> None: ...


class Networks:
    """Network parts that write down what a sweep leaves, and what is made the whole filter."""

    def __init__(self) -> None:
        self.kept: set[str] | None = None
        self.whole = self.single = 0

    def registered(self, noun: str) -> frozenset[str]:
        return frozenset({NETWORK, STRAY} if noun == "networks" else {NETWORK})

    def sweep_ports(self, ports: Any) -> None:
        self.kept = set(ports)

    def ensure_ports(self, ports: Any, groups: Any) -> dict[str, str]:
        self.whole += 1
        return {}

    def ensure_port(self, port: Any, groups: Any) -> None:
        self.single += 1


@pytest.fixture
def parts() -> Any:
    made = object.__new__(real.RealParts)
    made._world = None
    guests: Any = Guests()
    networks: Any = Networks()
    made._assemble(guests, networks)
    return made


@pytest.mark.parametrize("wrong", REFUSED, ids=str)
def test_a_sweep_keeps_a_guest_that_was_refused(parts: Any, wrong: Any) -> None:
    """Finding S8: what is there of a refused guest stays as it is, its disk and ports too. So does a stray, of which
    nobody has said that it may go."""
    node = Node()
    tell(node, [item(spec=wrong), item(OTHER)])
    assert node.agent.complete
    parts.sweep(node.agent)
    assert parts._guests.removed == [] and parts._net.kept is None
    assert ("guest", STRAY) in parts.strays(node.agent) and ("guest", ID) not in parts.strays(node.agent)
    parts._ports.filter(node.agent)
    assert (parts._net.whole, parts._net.single) == (0, 1)  # the ports of the refused one are not closed


def test_ports_go_when_all_guests_that_are_here_are_known(parts: Any) -> None:
    """A port that no guest has any more is removed by the sweep; with a guest of which nothing is known, none is."""
    node = Node()
    tell(node, [item(), item(OTHER)])
    parts.sweep(node.agent)
    assert parts._net.kept is None
    parts._guests.removed = [STRAY]
    parts.sweep(node.agent)
    assert parts._net.kept == {PORT}


def test_a_sweep_keeps_networks_and_routers_that_were_refused(parts: Any) -> None:
    """Finding S8: the same for what guests share; what of it nobody mentions is a stray, and stays as well."""
    node = Node()
    tell(node, [item()])
    for kind in ("network", "router"):
        node.hear([{"host": "here", "kind": kind, "ref": NETWORK, "revision": 1, "spec": {"id": OTHER}}])
    assert [ref for kind, ref in parts.strays(node.agent) if kind != "guest"] == [STRAY]


def test_a_refused_guest_goes_when_it_is_wanted_no_more(parts: Any) -> None:
    """Finding S8: by being taken in another form, or by a word; being left out of an answer makes it a stray."""
    node = Node()
    tell(node, [item(spec=None), item(OTHER)])
    node.hear([item(revision=8), item(OTHER)])
    assert node.agent.refused("guest") == set()
    tell(node, [item(STRAY, spec=None), item(OTHER)])
    assert node.agent.refused("guest") == {STRAY}
    node.hear([item(STRAY, gone=True, spec=None)])
    assert node.agent.refused("guest") == set()
    assert STRAY in node.parts.gone
    tell(node, [item(STRAY, spec=None), item(OTHER)])
    tell(node, [item(OTHER)])
    assert ("guest", STRAY) in parts.strays(node.agent)
    assert parts._guests.removed == []


def test_simulated_hosts_keep_it_too(tmp_path: Path) -> None:
    """Finding S8: they are what is tried out before real ones."""
    kept = SimulatedGuest(
        id=ID, host="here", name="instance-00000001", taps=[], running=True, hard_reboots=0, soft_reboots=0
    )
    (tmp_path / f"{ID}.json").write_bytes(msgspec.json.encode(kept))
    hosts = SimulatedParts(1, folder=tmp_path)
    assert [guest.id for guest in hosts.guests()] == [ID]
    node = Node()
    node.parts = hosts  # type: ignore[assignment]
    tell(node, [item(spec=None)])
    hosts.sweep(node.agent)
    assert [type(guest) for guest in hosts.guests()] == [SimulatedGuest]
    tell(node, [])
    hosts.sweep(node.agent)
    assert hosts.strays(node.agent) == [("guest", ID)] and len(hosts.guests()) == 1
