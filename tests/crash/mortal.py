"""A whole cloud in one thread whose controller and node can die at any instant, and start again.

The controller is the real one (`cumulet.cli.controller.assemble`), asked through its ASGI door; the node is the
real agent with simulated hosts, driven step by step. `Tripwire` counts every instant at which a process may die
and raises `Killed` at the chosen one; nothing catches that, as nothing catches SIGKILL.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from cumulet.cli import controller, state_folder
from cumulet.config import Settings
from cumulet.db import Database, Transaction
from cumulet.db import dialects as databases
from cumulet.engine.tables import flows
from cumulet.fleet.model import joining
from cumulet.fleet.tables import desired, links
from cumulet.node.agent import STREAMS, Agent
from cumulet.node.journal import Journal
from cumulet.node.link import Answer, Link, LinkError
from cumulet.node.simulated import SimulatedGuest, SimulatedParts
from cumulet.node.simulation import Script
from cumulet.services.compute.tables import servers
from cumulet.services.identity.tables import projects
from cumulet.services.image.tables import images
from cumulet.services.network.tables import floatingips
from tests.services.compute.conftest import IMAGE, image_row
from tests.services.guide_flavors import make_flavors
from tests.services.serving import PROJECTS, authenticate

ROUNDS = 60


class _Inline(ThreadPoolExecutor):
    """Runs handlers in the loop's own thread: one request at a time is all that these tests need."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future


class Killed(BaseException):
    """A process died. `who`: controller or node."""

    def __init__(self, who: str, where: str) -> None:
        super().__init__(f"the {who} died {where}")
        self.who = who


class ConnectionLost(Exception):
    """The user's request got no answer: it may have been carried out, or not."""


class Tripwire:
    """Counts instants while armed; dies at number `at`."""

    def __init__(self) -> None:
        self.count, self.at = 0, 0
        self.armed = False
        self.fell: str | None = None

    @contextmanager
    def arm(self, at: int) -> Iterator[None]:
        """Die at the `at`-th instant from now on (0: never, only count)."""
        self.count, self.at, self.armed, self.fell = 0, at, True, None
        try:
            yield
        finally:
            self.armed = False

    def reach(self, who: str, where: str) -> None:
        """An instant at which `who` may die."""
        if not self.armed:
            return
        self.count += 1
        if self.count == self.at:
            self.armed, self.fell = False, f"{who} {where}"
            raise Killed(who, where)


WIRE = Tripwire()


class _Topics(set[str]):
    def __iter__(self) -> Iterator[str]:
        WIRE.reach("controller", "after the commit, before the wake-ups")
        return super().__iter__()


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the tripwire into the store; the node's are in the classes below. Statements compiled once are kept over
    restarts, which would otherwise spend most of their time on that."""
    create_engine = databases.create_engine
    first: list[Any] = []

    def warm(url: str, **options: Any) -> Any:
        engine = create_engine(url, **options)
        if first:
            engine.dialect, engine._compiled_cache = first[0].dialect, first[0]._compiled_cache
        first.append(engine)
        return engine

    monkeypatch.setattr(databases, "create_engine", warm)
    execute, driven, transaction = Transaction.execute, Transaction._driven, Database.transaction

    def counted(self: Transaction, statement: Any, parameters: Any = None) -> Any:
        WIRE.reach("controller", f"before statement {self.statements + 1}")
        return execute(self, statement, parameters)

    def counted_too(self: Transaction, *words: Any, **options: Any) -> Any:
        """Prepared statements go to the driver without `execute`."""
        WIRE.reach("controller", f"before statement {self.statements + 1}")
        return driven(self, *words, **options)

    @contextmanager
    def watched(self: Database) -> Iterator[Transaction]:
        with transaction(self) as tx:
            tx._topics = _Topics()
            yield tx
            WIRE.reach("controller", "before the commit")
        WIRE.reach("controller", "before the answer")

    monkeypatch.setattr(Transaction, "execute", counted)
    monkeypatch.setattr(Transaction, "_driven", counted_too)
    monkeypatch.setattr(Database, "transaction", watched)


class MortalParts(SimulatedParts):
    """Hosts whose node may die around each change of the world."""

    def _keep(self, guest: SimulatedGuest) -> None:
        WIRE.reach("node", "before it started a guest")
        super()._keep(guest)
        WIRE.reach("node", "after it started a guest")

    def _drop(self, guest_id: str) -> None:
        WIRE.reach("node", "before it removed a guest")
        super()._drop(guest_id)
        WIRE.reach("node", "after it removed a guest")


class MortalAgent(Agent):
    """An agent that may die around what it accepts and reports."""

    def _accept(self, item: Any) -> None:
        WIRE.reach("node", "before it accepted an item")
        super()._accept(item)

    def _forget(self, key: Any, item: Any) -> None:
        WIRE.reach("node", "before it forgot an item")
        super()._forget(key, item)

    def _report(self, item: Any, state: Any, **values: Any) -> None:
        WIRE.reach("node", "after it converged, before the report")
        super()._report(item, state, **values)


class DirectLink(Link):
    """The link without sockets."""

    def __init__(self, cloud: MortalCloud, credentials: Path) -> None:
        super().__init__("http://127.0.0.1:1", credentials)
        self._cloud = cloud

    def _exchange(
        self, method: str, path: str, data: bytes | None, timeout_s: float, headers: Mapping[str, str]
    ) -> Answer:
        try:
            status, told, body = self._cloud.ask("link", method, path, data or b"", {**self._headers(), **headers})
        except ConnectionLost as lost:
            raise LinkError(f"the controller does not answer: {lost}") from None
        WIRE.reach("node", f"after the answer to {path.split('?')[0]}")
        return Answer(status, told, body)


@dataclass
class Node:
    """The node's process."""

    agent: MortalAgent
    since: list[int]

    def step(self) -> None:
        """Ask, converge, report, once. What the controller does not answer is tried again at the next step."""
        agent = self.agent
        for index, kinds in enumerate(STREAMS):
            try:
                changes = agent.link.changes(kinds, self.since[index], 0)
            except LinkError:
                continue
            if not agent.judge(changes.cloud):
                self.since[index] = 0
                continue
            agent.take(changes, kinds)
            self.since[index] = changes.revision
        agent._shared.drain()
        agent._guests.drain()
        reporter = agent.reporter
        while reporter._waiting:
            batch = reporter._take()
            assert batch is not None
            WIRE.reach("node", "before it sent the report")
            try:
                agent.link.report(batch)
            except LinkError as error:
                assert error.status in (0, 401) or error.status >= 500, error
                reporter._put_back(batch)
                return

    def sweep(self) -> None:
        """The regular sweep."""
        self.agent.sweep()


class MortalCloud:
    """Controller and node on one state folder."""

    def __init__(self, state: Path, hosts: int, script: Script | None = None) -> None:
        state_folder.create(state)
        state_folder.furnish(state, None)
        self.settings = Settings.resolve(state, {"simulated": hosts, "port_base": 20000}, {})
        self.settings.node_dir.mkdir(exist_ok=True)
        self.hosts, self.script = hosts, script or Script()
        self.loop = asyncio.new_event_loop()
        self.loop.set_default_executor(_Inline())
        self.controller: controller.Controller | None = None
        self.node: Node | None = None
        self.restarts = 0
        self.silent = False
        self.intact = True
        self.together = False
        """Whether controller and node die together, as when the machine does."""
        self.after_revival: Callable[[], None] = lambda: None
        self.revive()
        self._stock()

    @property
    def db(self) -> Database:
        """The living controller's store."""
        assert self.controller is not None
        return self.controller.db

    def close(self) -> None:
        """Free what the processes hold."""
        if self.controller is not None:
            self.db.close()
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()

    def _stock(self) -> None:
        with self.db.transaction() as tx:
            for name in ("demo", "admin"):
                tx.insert(
                    projects,
                    {"id": PROJECTS[name], "name": f"crash-{name}", "domain_id": "default", "is_domain": False},
                )
            tx.insert(images, image_row(IMAGE, tx.now))
            make_flavors(tx)

    # ---- life and death ------------------------------------------------------------------------------------------

    def revive(self) -> None:
        """Start what is dead, on what it left behind."""
        alive = self.controller is not None and self.node is not None
        if self.controller is None:
            self.controller = controller.assemble(self.settings)
            self.controller.app.authenticate = authenticate
            self.restarts += 1
        if self.node is None:
            link = DirectLink(self, self.settings.node_dir / "link.json")
            parts = MortalParts(self.hosts, self.script, self.settings.node_dir / "world")
            if not link.joined:
                with self.db.transaction() as tx:
                    token, _ = joining.issue(tx, "node")
                link.join("node", parts.facts(), token)
            journal = Journal(self.settings.node_dir / "journal")
            self.node = Node(MortalAgent(link, parts, journal), [0, 0])
            for entry in journal.load():
                self.node.agent._accept(entry)
            self.restarts += 1
        if not alive:
            self.after_revival()

    def kill(self, who: str) -> None:
        """The process is gone, with all that it had in memory."""
        if who == "node" or self.together:
            self.node = None
        if (who == "controller" or self.together) and self.controller is not None:
            self.controller.db.close()
            self.controller = None

    def world(self) -> list[SimulatedGuest]:
        """Guests, as they lie on the simulated hosts' disks."""
        return SimulatedParts(0, None, self.settings.node_dir / "world").guests()

    # ---- asking --------------------------------------------------------------------------------------------------

    def ask(
        self, service: str, method: str, path: str, body: bytes, headers: dict[str, str]
    ) -> tuple[int, dict[str, str], bytes]:
        """One request to the controller. Raises `ConnectionLost` when it is dead or dies of it."""
        if self.controller is None:
            raise ConnectionLost("connection refused")
        bare, _, query = path.partition("?")
        sent: list[dict[str, Any]] = []
        asked: list[bool] = []
        scope = {
            "type": "http", "method": method, "path": bare, "raw_path": bare.encode(), "scheme": "http",
            "query_string": query.encode(), "server": ("127.0.0.1", self.settings.ports.of(service)),
            "headers": [(k.lower().encode(), v.encode()) for k, v in headers.items()], "client": ("127.0.0.1", 1),
        }  # fmt: skip

        async def receive() -> dict[str, Any]:
            if asked:
                await asyncio.Event().wait()  # the client stays until it has its answer
            asked.append(True)
            return {"type": "http.request", "body": body}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        try:
            self.loop.run_until_complete(self.controller.app(scope, receive, send))
        except Killed as killed:
            assert killed.who == "controller"
            self.kill("controller")
            raise ConnectionLost(str(killed)) from None
        answered = {k.decode(): v.decode() for k, v in sent[0]["headers"]}
        return sent[0]["status"], answered, b"".join(message.get("body", b"") for message in sent[1:])

    def request(
        self, method: str, service: str, path: str, body: Any = None, *, token: str = "demo"
    ) -> tuple[int, Any]:
        """One request of a user: status and body."""
        headers = {"x-auth-token": token, "content-type": "application/json", "accept": "application/json"}
        if service == "compute":
            headers["openstack-api-version"] = "compute 2.96"
        status, _, data = self.ask(service, method, path, json.dumps(body).encode() if body else b"", headers)
        return status, json.loads(data) if data else None

    # ---- going on ------------------------------------------------------------------------------------------------

    def step(self) -> None:
        """The node asks and works once, and every flow is looked at. Whoever dies of it is dead."""
        try:
            if self.node is not None:
                self.node.step()
        except Killed as killed:
            self.kill(killed.who)
        self.run_flows()

    def run_flows(self) -> None:
        """What the engine's thread does, with every flow due."""
        if self.controller is None:
            return
        try:
            armed, WIRE.armed = WIRE.armed, False
            with self.db.transaction() as tx:
                tx.execute(update(flows).values(due_at=tx.now))
            WIRE.armed = armed
            self.controller.engine.run_due()
        except Killed as killed:
            self.kill(killed.who)

    def pass_deadlines(self) -> None:
        """Every deadline has passed."""
        armed, WIRE.armed = WIRE.armed, False
        with self.db.transaction() as tx:
            tx.execute(update(flows).values(deadline_at=tx.now - 1, due_at=tx.now - 1))
        WIRE.armed = armed

    def heartbeat(self) -> None:
        """The node was heard just now; not for long when it is `silent`."""
        armed, WIRE.armed = WIRE.armed, False
        with self.db.transaction() as tx:
            tx.execute(update(links).values(last_seen=1 if self.silent else tx.now))
        WIRE.armed = armed

    def settle(self, *, without_node: bool = False) -> None:
        """Go on, reviving the dead, until a round changes nothing."""
        before: Any = None
        for _ in range(ROUNDS):
            if not without_node:
                self.revive()
            elif self.controller is None:
                node, self.node = self.node, None
                self.revive()
                self.node = node
            self.heartbeat()
            armed, WIRE.armed = WIRE.armed, False
            after = (self.restarts, self._signature())
            WIRE.armed = armed
            if after == before and (without_node or self._idle()):
                return
            before = after
            if without_node:
                self.run_flows()
            else:
                self.step()
        raise AssertionError(f"the cloud is not quiet after {ROUNDS} rounds: {before}")

    def _idle(self) -> bool:
        return self.node is not None and not self.node.agent.reporter._waiting

    def _signature(self) -> Any:
        queries = (
            select(servers.c.id, servers.c.vm_state, servers.c.task_state, servers.c.host, servers.c.deleted_at),
            select(flows.c.kind, flows.c.subject, flows.c.step),
            select(desired.c.ref, desired.c.revision, desired.c.reported_revision, desired.c.state),
            select(floatingips.c.id, floatingips.c.status),
        )
        with self.db.read() as tx:
            return [[tuple(row) for row in tx.rows(query)] for query in queries]
