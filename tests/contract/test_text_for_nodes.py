"""Two laws about text that may reach a host, for every field of every request that takes part in it.

Whatever is sent is refused, or harmless: desired state with it goes through the node's own functions, and no line, rule
or option comes out that was not asked for. And the controller takes nothing that a node leaves out, but for what
Neutron takes and one port alone loses: DHCP options that no server knows or can be told, and a MAC address of a group.
Finding S1 and its class, cases 35 and 36.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from string import Template
from typing import Any

import pytest
from sqlalchemy import select, update

from cumulet.cli.controller import declared
from cumulet.db import Transaction
from cumulet.desired.guest import Guest
from cumulet.desired.items import Item
from cumulet.http import Operation
from cumulet.services.compute import door as compute
from cumulet.services.compute.tables import servers
from cumulet.services.network import door as network
from cumulet.services.network.tables import networks, ports, routers, security_groups
from tests import node_side
from tests.assembled import Answer, Assembled, mounted
from tests.contract import text_requests as requests
from tests.contract.text_requests import Sent, World
from tests.hostile_texts import leaves, mutations
from tests.matrix.services import takes_nothing

_TABLES = {"network": networks, "router": routers, "security_group": security_groups, "port": ports}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    cloud = Assembled(tmp_path_factory.mktemp("texts") / "state")
    yield requests.build(cloud)
    cloud.close()


_ITS_OWNERS_LOSS = re.compile(
    "DHCP option of port|DHCP host left out: not a MAC address of one|port left out: .* of one"
)


class _UndoneError(Exception):
    """Ends a transaction that was looked at."""


class Looker:
    """Looks at what a node would make of the cloud before each transaction is undone."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.seen = 0
        self.wrong: list[str] = []

    @contextmanager
    def watching(self) -> Iterator[None]:
        db = self.world.cloud.controller.db
        opener = db.transaction

        @contextmanager
        def undone() -> Iterator[Transaction]:
            try:
                with opener() as tx:
                    yield tx
                    self.look(tx)
                    raise _UndoneError
            except _UndoneError:
                pass

        db.transaction = undone  # type: ignore[method-assign]
        try:
            yield
        finally:
            db.transaction = opener  # type: ignore[method-assign]

    def look(self, tx: Transaction) -> None:
        self.seen += 1
        try:
            for written in node_side.of_items(self.items(tx)):
                self.wrong += written.odd()
                self.wrong += [
                    f"a node leaves out: {reason}" for reason in written.left_out if not _ITS_OWNERS_LOSS.match(reason)
                ]
        except Exception as error:
            self.wrong.append(f"a node fails: {type(error).__name__}: {error}")

    def items(self, tx: Transaction) -> list[Item]:
        """Everything, as if each port that is free were plugged into a guest."""
        link_id, guest = self.world.link_id, str(uuid.UUID(int=7))
        place = {"device_id": guest, "device_owner": "compute:nova", "host": requests.HOST, "link_id": link_id}
        free = ports.c.device_owner.in_(["", "baremetal:none"])
        tx.execute(update(ports).where(free).values(**place))
        found: list[Item] = []

        def add(kind: Any, specs: Any) -> None:
            found.extend(
                Item(host=requests.HOST, kind=kind, ref=ref, revision=1, spec=spec) for ref, spec in specs.items()
            )

        for kind, table in _TABLES.items():
            refs = list(tx.execute(select(table.c.id)).scalars())
            add(kind, network.RENDERERS[kind](tx, link_id, refs))  # type: ignore[index]
        context = mounted(self.world.cloud.controller, "compute").context
        refs = list(tx.execute(select(servers.c.id).where(servers.c.host.is_not(None))).scalars())
        add("guest", compute.renderers(context)["guest"](tx, link_id, refs))
        spec = Guest(id=guest, name="instance-00000007", display_name="x", vcpus=1, memory_mb=64, root_gb=1)
        spec.ports = network.plugs(tx, [guest])[guest]
        add("guest", {guest: spec})
        return found


def _filled(value: Any, ids: dict[str, str]) -> Any:
    if isinstance(value, str):
        return Template(value).safe_substitute(ids) if value.startswith("$") and "\n" not in value else value
    if isinstance(value, dict):
        return {name: _filled(inner, ids) for name, inner in value.items()}
    return [_filled(inner, ids) for inner in value] if isinstance(value, list) else value


def _send(world: World, service: str, sent: Sent, body: Any) -> Answer:
    method = sent.operation.split(" ", 1)[0]
    path = Template(sent.path).substitute(world.ids)
    headers = {"openstack-api-version": f"compute {sent.version or '2.96'}"} if service == "compute" else {}
    return world.cloud.ask(service, method, path, token=world.cloud.admin, body=body, headers=headers)


SENT = [
    *((f"{number} {sent.operation}", "network", sent) for number, sent in enumerate(requests.network_requests())),
    *((f"{number} {sent.operation}", "compute", sent) for number, sent in enumerate(requests.compute_requests())),
]


@pytest.mark.parametrize(("service", "sent"), [each[1:] for each in SENT], ids=[each[0] for each in SENT])
def test_a_text_is_refused_or_harmless(world: World, service: str, sent: Sent) -> None:
    looker = Looker(world)
    base = _filled(sent.body, world.ids)
    with looker.watching():
        answer = _send(world, service, sent, base)
        assert (answer.status < 300) is not sent.refused, (answer.status, answer.body)
        assert looker.wrong == [], "the valid request itself"
        assert looker.seen or sent.refused
        wrong: dict[str, str] = {}
        for body in mutations(base):
            answer = _send(world, service, sent, body)
            if answer.status >= 500:
                wrong.setdefault(f"{answer.status}", f"{body!r:.600} → {answer.body[:200]!r}")
            for problem in looker.wrong:
                wrong.setdefault(problem[:40], f"{problem} ({answer.status}) {body!r:.600}")
            looker.wrong.clear()
    assert wrong == {}, "\n".join(f"{what}\n    {request}" for what, request in wrong.items())


def _name(operation: Operation) -> str:
    return f"{operation.method} {operation.path}" + (f" ({operation.action})" if operation.action else "")


def _with_bodies(service: str) -> dict[str, Operation]:
    found = declared()[service].operations
    return {_name(each): each for each in found if each.request is not None and not takes_nothing(each)}


def test_every_operation_with_a_body_is_tried() -> None:
    tried = {sent.operation for sent in requests.network_requests()} | requests.NETWORK_ALONE
    assert set(_with_bodies("network")) - tried == set()
    tried = {sent.operation for sent in requests.compute_requests()} | requests.COMPUTE_ALONE
    assert set(_with_bodies("compute")) - tried == set()


def test_every_attribute_of_network_is_tried() -> None:
    assert requests.network_fields_left() == set()


def test_every_field_of_compute_is_tried() -> None:
    left = set()
    for name, operation in _with_bodies("compute").items():
        if name in requests.COMPUTE_ALONE or operation.request is dict:
            continue
        bodies = [sent.body for sent in requests.compute_requests() if sent.operation == name]
        given = set().union(*(requests.given_fields(operation.request, body) for body in bodies))
        left |= {f"{name}: {field}" for field in requests.shape_fields(operation.request) - given}
    assert {each for each in left if each.split(": ")[1] not in requests.NEVER_GIVEN} == set()


def test_the_law_is_blind_to_no_leaf() -> None:
    assert {path for path, _ in leaves({"a": [{"b": "x"}, 1], "c": True})} == {("a", 0, "b"), ("a", 1)}
