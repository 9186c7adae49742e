"""Ports on a node: what a guest of either format has, and in which order ports and guests come and go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from cumulet.desired.guest import Guest
from cumulet.desired.items import Item
from cumulet.desired.network import Network
from cumulet.desired.port import Interface, Plug, Port, joined, split
from cumulet.desired.security_group import SecurityGroup
from cumulet.node.agent import Agent
from cumulet.node.journal import Journal
from cumulet.node.kinds.network import NetworkPart
from cumulet.node.kinds.port import PortPart
from cumulet.node.link import Link
from cumulet.node.parts import NotYet
from cumulet.node.simulated import SimulatedParts
from cumulet.node.within import Within

GUEST, OTHER, PORT, NET, GROUP = (f"0{number}000000-0000-4000-8000-000000000001" for number in range(1, 6))
MAC = "fa:16:3e:00:00:01"


def guest(id: str = GUEST, **values: Any) -> Guest:
    sizes: dict[str, Any] = {"vcpus": 1, "memory_mb": 64, "root_gb": 1, "project_id": "p"}
    return Guest(id=id, name="instance-00000001", display_name="g", **sizes, **values)


def interface(**values: Any) -> Interface:
    return Interface(port_id=PORT, network_id=NET, mac=MAC, security_groups=[GROUP], **values)


PLUG = Plug(port_id=PORT, network_id=NET, mac=MAC)


def port(**values: Any) -> Port:
    own = {"network_id": NET, "mac": MAC, "security_groups": [GROUP]}
    return Port(id=PORT, guest_id=GUEST, **{**own, **values})


class World:
    """What is wanted; `complete` is it always."""

    complete = True

    def __init__(self, *specs: Any) -> None:
        kinds: dict[Any, str] = {Guest: "guest", Port: "port", Network: "network", SecurityGroup: "security_group"}
        self.all = {(kinds[type(spec)], spec.id): spec for spec in specs}

    def refused(self, kind: str) -> set[str]:
        return set()

    def spec(self, kind: str, ref: str) -> Any:
        return self.all.get((kind, ref))

    def specs(self, kind: str) -> dict[str, Any]:
        return {ref: spec for (k, ref), spec in self.all.items() if k == kind}


class Net:
    """Network parts that write down what they are asked for."""

    def __init__(self) -> None:
        self.done: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Any:
        def call(*given: Any) -> Any:
            about = given[0] if given else None
            ids = [each.port_id for each in about] if isinstance(about, list) else getattr(about, "port_id", about)
            self.done.append((name, ids))
            return {"ensure_ports": {}, "ensure_network": []}.get(name)

        return call


class Made:
    def __init__(self, *here: str) -> None:
        self.net, self.here = Net(), list(here)
        self.part = PortPart(self.net, NetworkPart(self.net), lambda: self.here)  # type: ignore[arg-type]


BASE = (Network(id=NET), SecurityGroup(id=GROUP))


def test_both_forms_of_a_guest_say_the_same() -> None:
    whole = [interface(mtu=1400, admin_state_up=False)]
    plugs, ports = split(GUEST, whole)
    assert plugs == [Plug(port_id=PORT, network_id=NET, mac=MAC, mtu=1400)]
    assert ports[PORT].guest_id == GUEST and joined(plugs, ports) == whole
    assert joined([PLUG], {}) == [Interface(port_id=PORT, network_id=NET, mac=MAC)]


def test_ports_are_taken_out_of_guests_of_before() -> None:
    within = Within()
    taken = within.taken_out(GUEST, guest(interfaces=[interface()]))
    assert (taken.ports, taken.interfaces) == ([PLUG], [])
    assert within.get(PORT) == within.every()[PORT] == port()
    same = guest(ports=[PLUG])
    assert within.taken_out(GUEST, same) is same and within.every() == {}
    within.taken_out(GUEST, guest(interfaces=[interface()]))
    within.taken_out(GUEST, None)
    assert within.get(PORT) is None


def test_a_port_waits_for_its_network_and_groups() -> None:
    made = Made()
    for world in (World(), World(BASE[0]), World(BASE[1])):
        with pytest.raises(NotYet):
            made.part.ensure(port(), world)
    assert made.net.done == []
    assert made.part.ensure(port(), World(*BASE)) == {"left_out": []}
    assert [name for name, _ in made.net.done] == ["ensure_network", "ensure_port", "plug"]


def test_a_port_that_no_machine_can_have_is_left_out() -> None:
    made = Made()
    (reason,) = made.part.ensure(port(mac="01:00:5e:00:00:01"), World(*BASE))["left_out"]
    assert PORT in reason and made.net.done == []


def test_a_guest_waits_for_ports_that_are_not_known() -> None:
    made = Made()
    with pytest.raises(NotYet):
        made.part.check([PLUG], World(*BASE))
    made.part.check([PLUG], World(*BASE, port()))
    made.part.plug(PORT, World(*BASE, port()))
    assert made.net.done[-1] == ("plug", PORT)


def test_a_port_goes_after_its_guest() -> None:
    made = Made(GUEST)
    made.part.given(GUEST, [PLUG])
    with pytest.raises(NotYet):  # the guest is wanted no more, and still here
        made.part.absent(PORT, World(*BASE))
    made.here.clear()
    made.part.left(GUEST, World(*BASE))
    made.part.absent(PORT, World(*BASE))
    assert made.net.done == [("absent_port", PORT)] * 2


def test_a_port_that_its_guest_lost_goes_at_once() -> None:
    made = Made(GUEST)
    made.part.given(GUEST, [PLUG])
    made.part.absent(PORT, World(*BASE, guest()))
    assert made.net.done == [("absent_port", PORT)]


def test_nothing_is_swept_or_closed_while_a_guest_is_strange() -> None:
    made = Made(GUEST, OTHER)
    made.part.sweep(World(*BASE, guest(), port()))
    made.part.filter(World(*BASE, guest(), port()))
    assert made.net.done == [("ensure_port", PORT)]
    made.here.remove(OTHER)
    made.part.sweep(World(*BASE, guest(), port()))
    made.part.filter(World(*BASE, guest(), port()))
    assert [name for name, _ in made.net.done[1:]] == ["sweep_ports", "ensure_ports"]


def item(kind: Any, spec: Any, revision: int = 1, **values: Any) -> Item:
    told = None if spec is None else msgspec.to_builtins(spec)
    ref = PORT if kind == "port" else GUEST
    return Item(host="sim-0001", kind=kind, ref=ref, revision=revision, spec=told, **values)


def test_an_upgraded_node_goes_on_with_the_journal_of_before(tmp_path: Path) -> None:
    """Its ports stand in its guests until the controller tells them one by one; then that counts."""

    def agent() -> Agent:
        found = Agent(Link("http://127.0.0.1:9"), SimulatedParts(1), Journal(tmp_path))
        for entry in found.journal.load():
            found._accept(entry)
        return found

    agent()._accept(item("guest", guest(interfaces=[interface()])))
    here = agent()
    assert here.spec("guest", GUEST).ports == [PLUG]
    assert here.spec("port", PORT) == port() and here.specs("port") == {PORT: port()}
    here._accept(item("port", port(security_groups=[])))
    assert here.spec("port", PORT).security_groups == [] and list(here.specs("port")) == [PORT]
    here._accept(item("guest", guest(ports=[PLUG]), 2, format=2))
    again = agent()
    assert again.spec("guest", GUEST) == guest(ports=[PLUG])
    assert again.spec("port", PORT).security_groups == []
    again._accept(item("port", None, 3, gone=True))
    assert again.spec("port", PORT) is None and again.specs("port") == {}
