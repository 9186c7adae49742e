"""Controller and node over the real link: desired state, reports, the past that loses, deletes that were missed."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cumulet.auth import Policy
from cumulet.db import Database, Transaction, metadata
from cumulet.desired.guest import Guest
from cumulet.desired.hosts import HostFacts
from cumulet.desired.items import Changes, Item, Report, Reports
from cumulet.desired.network import Network
from cumulet.desired.port import Interface, Port, joined
from cumulet.desired.questions import MetadataQuestion
from cumulet.engine import Engine
from cumulet.fleet import door
from cumulet.fleet import service as fleet_service
from cumulet.fleet.api import load
from cumulet.fleet.model import clouds, desired, joining, keeping
from cumulet.http import Reply
from cumulet.http.app import App
from cumulet.http.mount import Mount
from cumulet.http.server import listen, serve
from cumulet.node.agent import Agent
from cumulet.node.journal import Journal
from cumulet.node.link import Link, LinkError
from cumulet.node.simulated import SimulatedParts, host_names
from cumulet.node.simulation import Behaviour, Script
from tests.databases import place

NET = "0e000000-0000-4000-8000-000000000000"


def guest(number: int, power: str = "on") -> Guest:
    made = Guest(id=guest_id(number), name=f"instance-{number:08x}", display_name="g", vcpus=1, memory_mb=64, root_gb=1)
    made.power = power  # type: ignore[assignment]
    return made


def guest_id(number: int) -> str:
    return f"{number:08x}-0000-4000-8000-000000000000"


class Cloud:
    """A fleet with one fake service: guests by id, networks by id."""

    def __init__(self, folder: Path) -> None:
        self.db = Database(place(folder / "db.sqlite"), durable=False)
        with self.db.engine.connect() as connection:
            metadata.create_all(connection)
        with self.db.transaction() as tx:
            clouds.start(tx)
        self.guests: dict[str, Guest] = {}
        self.ports: dict[str, Port] = {}
        self.reports: list[Report] = []
        self.link = ""
        (folder / "image").write_bytes(b"image" * 1000)
        sock = listen("127.0.0.1", 0)
        self.port = sock.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.context = fleet_service.LinkContext(
            operator_secret=lambda: "operator",
            engine=Engine(self.db),
            renderers={
                "guest": self.render,
                "network": lambda tx, link, refs: {ref: Network(id=ref) for ref in refs},
                "port": lambda tx, link, refs: {ref: self.ports[ref] for ref in refs if ref in self.ports},
            },
            older={"guest": self.older},
            reports={"guest": self.keep, "network": lambda tx, reports: None, "port": lambda tx, reports: None},
            hosts_changed=[],
            image_path=lambda tx, link_id, image_id: (
                folder / "image" if (link_id, image_id) == (self.link, "mine") else None
            ),
            metadata=lambda tx, link_id, question: Reply(f"hello {link_id}".encode(), content_type="text/plain"),
            find=[],
        )
        service = load()
        app = App(self.db, {self.port: Mount(service, self.context, Policy([]))}, lambda tx, token: None)  # type: ignore[arg-type,return-value]
        threading.Thread(target=lambda: asyncio.run(serve(app, [sock])), daemon=True).start()

    def render(self, tx: Transaction, link_id: str, refs: Any) -> dict[str, Guest]:
        return {ref: self.guests[ref] for ref in refs if ref in self.guests}

    def older(self, tx: Transaction, link_id: str, specs: Any) -> dict[str, Guest]:
        whole = {ref: joined(guest.ports, self.ports) or guest.interfaces for ref, guest in specs.items()}
        return {ref: msgspec.structs.replace(specs[ref], ports=[], interfaces=whole[ref]) for ref in specs}

    def keep(self, tx: Transaction, reports: Any) -> None:
        self.reports += reports

    def want(self, made: Guest, host: str = "sim-0001") -> int:
        link_id = self.link_id
        with self.db.transaction() as tx:
            self.guests[made.id] = made
            return door.publish(tx, link_id=link_id, kind="guest", ref=made.id, host=host)

    def drop(self, ref: str) -> None:
        link_id = self.link_id
        with self.db.transaction() as tx:
            self.guests.pop(ref, None)
            door.withdraw(tx, link_id=link_id, kind="guest", ref=ref)

    def states(self) -> dict[str, tuple[str, bool]]:
        with self.db.read() as tx:
            found = door.observed(tx, "guest", [guest_id(n) for n in range(300)])
        return {ref: (one.state, one.current) for ref, one in found.items()}

    def token(self, name: str | None = None) -> str:
        with self.db.transaction() as tx:
            return joining.issue(tx, name)[0]

    @property
    def link_id(self) -> str:
        with self.db.read() as tx:
            return door.hosts(tx)[0].link_id


@pytest.fixture
def cloud(tmp_path: Path) -> Cloud:
    return Cloud(tmp_path)


class Node:
    """A simulated node that can be killed: its threads end, its world stays."""

    def __init__(
        self, cloud: Cloud, folder: Path, hosts: int = 2, script: Script | None = None, strange_s: float = 3600
    ) -> None:
        self.link = Link(cloud.url, folder / "link.json")
        self.parts = SimulatedParts(hosts, script, folder / "world")
        if not self.link.joined:
            _until(lambda: _joined(cloud, self.link, self.parts))
        self.agent = Agent(self.link, self.parts, Journal(folder / "journal"), strange_s=strange_s)
        self.agent.start()

    def kill(self) -> None:
        self.agent.stop()


def _joined(cloud: Cloud, link: Link, parts: SimulatedParts) -> bool:
    try:
        link.join("node", parts.facts(), cloud.token())
    except LinkError:
        return False
    return True


@pytest.fixture
def node(cloud: Cloud, tmp_path: Path) -> Iterator[Node]:
    made = Node(cloud, tmp_path)
    yield made
    made.kill()


def _until(condition: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.005)


def _settled(cloud: Cloud, count: int) -> bool:
    states = cloud.states()
    return len(states) == count and all(state == ("ready", True) for state in states.values())


def test_what_is_wanted_is_made_and_reported(cloud: Cloud, node: Node) -> None:
    for number in range(40):
        cloud.want(guest(number), host_names(2)[number % 2])
    _until(lambda: _settled(cloud, 40))
    assert {g.host for g in node.parts.guests()} == {"sim-0001", "sim-0002"}
    cloud.drop(guest_id(3))
    _until(lambda: guest_id(3) not in cloud.states())
    assert guest_id(3) not in {g.id for g in node.parts.guests()}
    assert [r.state for r in cloud.reports if r.ref == guest_id(3)][-1] == "absent"


def test_a_node_that_nothing_is_wanted_of_waits(cloud: Cloud, node: Node) -> None:
    first = node.link.changes(["guest"], 0, 0)
    assert first.full and not first.items and first.revision > 0
    assert not node.link.changes(["guest"], first.revision, 0).full
    cloud.want(guest(1))
    assert [item.ref for item in node.link.changes(["guest"], first.revision, 0).items] == [guest_id(1)]


def test_a_guest_does_not_wait_long_for_its_network(cloud: Cloud, node: Node) -> None:
    """The network comes on another stream; when it is there, the guest is looked at again at once."""
    made = guest(1)
    made.interfaces = [Interface(port_id=NET, network_id=NET, mac="fa:16:3e:00:00:01", addresses=[], mtu=1500)]
    cloud.want(made)
    _until(lambda: ("guest", made.id) in node.agent._unready)
    with cloud.db.transaction() as tx:
        door.publish(tx, link_id=door.hosts(tx)[0].link_id, kind="network", ref=NET)
    _until(lambda: cloud.states().get(made.id) == ("ready", True))


def test_nobody_joins_without_the_token(cloud: Cloud) -> None:
    link = Link(cloud.url)
    _until(lambda: _refused(link) == 401)
    with pytest.raises(LinkError) as caught:
        link.changes(("guest",), 0, 0)
    assert caught.value.status == 401


def _refused(link: Link) -> int:
    try:
        link.join("thief", [], "wrong")
    except LinkError as error:
        return error.status
    return 200


def test_a_host_name_belongs_to_one_node(cloud: Cloud, node: Node) -> None:
    with pytest.raises(LinkError) as caught:
        facts = HostFacts(hostname="sim-0001", vcpus=1, memory_mb=1, disk_gb=1)
        Link(cloud.url).join("another", [facts], cloud.token())
    assert caught.value.status == 409


def test_a_node_sees_only_its_own(cloud: Cloud, node: Node) -> None:
    cloud.want(guest(1))
    other = Link(cloud.url)
    other.join("other", [HostFacts(hostname="elsewhere", vcpus=1, memory_mb=1, disk_gb=1)], cloud.token())
    assert other.changes(("guest",), 0, 0).items == []
    revision = cloud.want(guest(1))
    forged = Report(host="elsewhere", kind="guest", ref=guest_id(1), revision=revision, state="absent")
    other.report(Reports(reports=[forged]))
    _until(lambda: cloud.states()[guest_id(1)] == ("ready", True))
    assert "absent" not in {report.state for report in cloud.reports}


def test_the_past_loses_at_the_controller(cloud: Cloud, node: Node) -> None:
    first = cloud.want(guest(1))
    _until(lambda: _settled(cloud, 1))
    node.kill()
    cloud.want(guest(1, "off"))
    late = Report(host="sim-0001", kind="guest", ref=guest_id(1), revision=first, state="failed", error="late")
    before = len(cloud.reports)
    node.link.report(Reports(reports=[late]))
    assert len(cloud.reports) == before
    assert cloud.states()[guest_id(1)] == ("wanted", False)


def test_the_past_loses_at_the_node(cloud: Cloud, node: Node) -> None:
    cloud.want(guest(1))
    revision = cloud.want(guest(1, "off"))
    _until(lambda: _settled(cloud, 1))
    old = Item(host="sim-0001", kind="guest", ref=guest_id(1), revision=revision - 1, spec=guest(1))
    node.agent._accept(old)
    time.sleep(0.05)
    assert [g.running for g in node.parts.guests()] == [False]


def test_a_node_that_missed_a_delete_cleans_up_when_it_is_back(cloud: Cloud, node: Node, tmp_path: Path) -> None:
    for number in range(5):
        cloud.want(guest(number))
    _until(lambda: _settled(cloud, 5))
    node.kill()
    cloud.drop(guest_id(0))
    with cloud.db.transaction() as tx:  # even when the controller has forgotten that it ever was
        tx.delete(desired.desired, desired.desired.c.ref == guest_id(1))
        del cloud.guests[guest_id(1)]
    assert len(node.parts.guests()) == 5
    again = Node(cloud, tmp_path, strange_s=0)
    _until(lambda: guest_id(0) not in cloud.states())
    _until(lambda: again.agent.complete)
    again.agent.sweep()
    _until(lambda: len(again.parts.guests()) == 3)
    assert {g.id for g in again.parts.guests()} == {guest_id(n) for n in (2, 3, 4)}
    again.kill()


def test_failures_are_told_and_mended(cloud: Cloud, tmp_path: Path) -> None:
    def told() -> set[str]:
        return {report.error or "" for report in cloud.reports if report.state == "failed"}

    node = Node(cloud, tmp_path, script=Script(hosts={"sim-0001": Behaviour(fail_boot=1.0)}))
    cloud.want(guest(0))
    _until(lambda: bool(told()))
    node.kill()
    # Of a failure that the next try mends at once the controller may hear nothing: the newest report is what counts.
    node = Node(cloud, tmp_path, script=Script(seed=1333, hosts={"sim-0001": Behaviour(fail_boot=0.5)}))
    for number in range(1, 20):
        cloud.want(guest(number))
    _until(lambda: _settled(cloud, 20), 30)
    assert told() == {"The simulated host sim-0001 failed to boot this server, as its script says."}
    node.kill()


def test_delays_hold_no_thread(cloud: Cloud, tmp_path: Path) -> None:
    node = Node(cloud, tmp_path, script=Script(boot_s=0.4))
    begun = time.monotonic()
    for number in range(60):
        cloud.want(guest(number))
    _until(lambda: _settled(cloud, 60))
    assert time.monotonic() - begun < 60 * 0.4 / 4
    node.kill()


def test_kill_the_node_over_and_over(cloud: Cloud, tmp_path: Path) -> None:
    """Whatever the moment, the next start converges: nothing lost, nothing left."""
    for round_number in range(6):
        node = Node(cloud, tmp_path)
        for number in range(round_number * 10, round_number * 10 + 10):
            cloud.want(guest(number))
        for number in range(round_number * 10 - 5, round_number * 10):
            if number >= 0:
                cloud.drop(guest_id(number))
        time.sleep(0.004 * round_number)
        node.kill()
    last = Node(cloud, tmp_path)
    wanted = set(cloud.guests)
    _until(lambda: set(cloud.states()) == wanted and _settled(cloud, len(wanted)))
    _until(lambda: last.agent.complete)
    last.agent.sweep()
    assert {g.id for g in last.parts.guests()} == wanted
    last.kill()


def test_nothing_is_unwanted_because_nobody_mentions_it(cloud: Cloud, node: Node, tmp_path: Path) -> None:
    """A node without memory leaves what runs alone: before the first full answer, and after it, too."""
    cloud.want(guest(1))
    _until(lambda: _settled(cloud, 1))
    node.kill()
    parts = SimulatedParts(2, None, tmp_path / "world")
    link = Link(cloud.url, tmp_path / "link.json")
    silent = Agent(link, parts, Journal(None), strange_s=0)
    silent.sweep()
    assert [g.id for g in parts.guests()] == [guest_id(1)]
    with cloud.db.read() as tx:
        own = clouds.current(tx)
    assert silent.judge(own)
    silent.take(Changes(revision=5, full=True, cloud=own), ("port", "guest"))
    assert not silent.complete
    silent.take(Changes(revision=5, full=True, cloud=own), ("network", "router", "security_group"))
    silent.sweep()
    assert [g.id for g in parts.guests()] == [guest_id(1)]
    with cloud.db.read() as tx:
        assert [(one.ref, one.why, one.spec) for one in keeping.every(tx)] == [(guest_id(1), "strange", None)]


def test_jobs_are_answered(cloud: Cloud, node: Node) -> None:
    cloud.want(guest(1))
    _until(lambda: _settled(cloud, 1))

    async def ask(kind: Any, ref: str) -> Any:
        link_id = cloud.link_id
        with cloud.db.transaction() as tx:
            job = door.ask(tx, link_id=link_id, host="sim-0001", kind=kind, args={"guest": ref})
        return await door.wait_job(cloud.db, job, 5)

    assert asyncio.run(ask("console_log", guest_id(1))).state == "done"
    failed = asyncio.run(ask("console_log", guest_id(2)))
    assert (failed.state, failed.result) == ("failed", "The host has no such server.")
    node.kill()
    link_id = cloud.link_id
    with cloud.db.transaction() as tx:
        job = door.ask(tx, link_id=link_id, host="sim-0001", kind="diagnostics", args={}, deadline_s=0.1)
    assert asyncio.run(door.wait_job(cloud.db, job, 0.1)).state == "waiting"


def test_least_privilege_of_a_node(cloud: Cloud, node: Node) -> None:
    """Bytes of an image only for who boots it; metadata only from where the network is."""
    cloud.link = cloud.link_id
    assert b"".join(node.link.image("mine")) == b"image" * 1000
    with pytest.raises(LinkError, match="404"):
        list(node.link.image("another's"))
    with cloud.db.transaction() as tx:
        door.publish(tx, link_id=cloud.link, kind="network", ref=NET)
    asked = MetadataQuestion(method="GET", path="/latest/", address="10.0.0.5", network_id=NET)
    assert node.link.metadata(asked).body == f"hello {cloud.link}".encode()
    assert node.link.metadata(msgspec.structs.replace(asked, network_id=guest_id(1))).status == 404
    assert node.link.metadata(msgspec.structs.replace(asked, network_id=None)).status == 400


def test_a_node_of_an_empty_cloud_waits(cloud: Cloud, node: Node) -> None:
    """The empty list is an answer, too: asking again waits for the first change, which is not missed."""
    changes = node.link.changes(("guest",), 0, 0)
    assert (changes.full, changes.items, changes.revision > 0) == (True, [], True)
    begun = time.monotonic()
    assert node.link.changes(("guest",), changes.revision, 0.3).items == []
    assert time.monotonic() - begun >= 0.3
    cloud.want(guest(1))
    assert [item.ref for item in node.link.changes(("guest",), changes.revision, 5).items] == [guest_id(1)]


def test_a_full_disk_does_not_end_following(cloud: Cloud, tmp_path: Path) -> None:
    class FullDisk(Journal):
        full = True

        def keep(self, item: Item) -> None:
            if self.full:
                raise OSError(28, "No space left on device")

    link = Link(cloud.url, tmp_path / "link.json")
    parts = SimulatedParts(1)
    _until(lambda: _joined(cloud, link, parts))
    journal = FullDisk(None)
    agent = Agent(link, parts, journal)
    agent.start()
    try:
        cloud.want(guest(1))
        time.sleep(0.3)
        journal.full = False
        _until(lambda: [made.id for made in parts.guests()] == [guest_id(1)])
    finally:
        agent.stop()


@pytest.mark.parametrize("left", [b"", b"{", b"[]", b'{"link_id": 5}', b"\xff"])
def test_torn_credentials_are_none(cloud: Cloud, tmp_path: Path, left: bytes) -> None:
    """A full disk or a crash leaves half a file: the node joins anew instead of failing for ever."""
    file = tmp_path / "link.json"
    file.write_bytes(left)
    link = Link(cloud.url, file)
    assert not link.joined
    _until(lambda: _joined(cloud, link, SimulatedParts(1)))
    assert Link(cloud.url, file).joined
    assert file.stat().st_mode & 0o777 == 0o600 and not file.with_suffix(".new").exists()
