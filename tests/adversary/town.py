"""Two tenants in an assembled cloud: alice, who owns one of every kind of thing, and bob, who asks for it.

Alice is the matrix's project *own* with all that its services' modules make; bob is whoever of `BOBS` asks. What is
hers and no one else's shows by `Town.marks`: ids, and secret words that are put into her things. What she has shows by
`Town.rows`: the rows of the database that name her or a thing of hers.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select, update

from cumulet.cli.controller import declared
from cumulet.db import Transaction, metadata
from cumulet.http import Operation
from cumulet.services.compute.tables import servers
from tests.adversary.fields import SECRET
from tests.assembled import Answer, Assembled
from tests.matrix.asking import Ask, filled
from tests.matrix.services import PARTS, name_of, version_of
from tests.matrix.test_matrix import peopled
from tests.matrix.world import World
from tests.services.compute.conftest import Node

FIRST = "the cloud's first administrator"
BOBS = (
    "near reader",
    "near member",
    "near manager",
    "near admin",
    "far manager",
    "far admin",
    "far domain reader",
    "far domain manager",
    "far domain admin",
)
"""Who asks: in another project of alice's domain, in a project of another domain, for another domain itself."""

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}|\b[0-9a-f]{32}\b|\b[0-9a-f]{64}\b")
_PARAMETER = re.compile(r"\{\*?(\w+)\}")
_PUBLIC = [
    ("identity", "/v3/auth/catalog", ""),
    ("identity", "/v3/roles", ""),
    ("identity", "/v3/domains", ""),
    ("identity", "/v3/regions", ""),
    ("identity", "/v3/registered_limits", ""),
    ("compute", "/v2.1/flavors", ""),
    ("network", "/v2.0/networks", "shared=true"),
    ("network", "/v2.0/networks", "router:external=true"),
    ("image", "/v2/images", "visibility=public"),
    ("image", "/v2/images", "visibility=community"),
    ("image", "/v2/images", "visibility=shared"),
]
"""Lists of what is for everybody: an id in their answers is no secret."""

_HERS = {
    "identity": "user_id access_token_id request_token_id ec2_id credential_id trust_id group_id crew limit_id",
    "image": "image_id queued secret",
    "placement": "consumer provider",
    "network": "network_id spare_network subnet_id spare_subnet port_id router_id floatingip_id group_id rule_id",
    "compute": "server_id private request_id",
}
"""Things of hers by the matrix's names, beyond what her own lists show."""

Row = tuple[Any, ...]


@dataclass
class Town:
    """`ids`: alice's things by the matrix's names. `mine`: bob's of the same names, of the project *near*."""

    cloud: Assembled
    worlds: dict[str, World]
    mine: dict[str, Any] = field(default_factory=dict)
    marks: frozenset[str] = frozenset()
    rows: dict[tuple[str, Row], Row] = field(default_factory=dict)
    changed: list[str] = field(default_factory=list)
    written: list[Row] = field(default_factory=list)

    @property
    def tokens(self) -> Mapping[str, str]:
        return self.worlds["identity"].tokens

    def ids(self, service: str) -> dict[str, Any]:
        return self.worlds[service].ids

    # ---- asking

    def ask(
        self,
        service: str,
        method: str,
        path: str,
        body: Any = None,
        *,
        who: str = "near member",
        query: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        token = self.cloud.admin if who == FIRST else self.tokens.get(who, "")
        sent = b"" if body is None else body
        return self.cloud.ask(service, method, path, token=token, body=sent, query=query, headers=headers)

    def make(self, service: str, path: str, key: str, fields: dict[str, Any], *, who: str = "near member") -> Any:
        """Something that must succeed; what was made."""
        body = {key: fields} if key else fields
        answer = self.ask(service, "POST", path, body, who=who, headers=newest(service))
        assert answer.status < 300, (path, answer.body)
        return answer.json[key] if key else answer.json

    def judged(self, service: str, method: str, path: str, body: Any = None, **asked: Any) -> tuple[Answer, list[str]]:
        """Ask as bob, undo it, and say what it showed and changed of alice's."""
        self.changed.clear()
        self.written.clear()
        answer = self.ask(service, method, path, body, **asked)
        sent = f"{path} {asked.get('query', '')} {json.dumps(body, default=str)}"
        text = answer.body.decode("utf-8", "replace") + json.dumps(answer.headers)
        shown = sorted(mark for mark in self.marks if mark in text and mark not in sent)
        return answer, [f"shows {each}" for each in shown] + list(self.changed)

    # ---- what alice has

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Meanwhile nothing is kept, and each write is looked at before it is undone."""
        db = self.cloud.controller.db
        with self.cloud.keeps_nothing():
            undone = db.transaction

            @contextmanager
            def looked_at() -> Iterator[Transaction]:
                with undone() as tx:
                    before = _changes(tx)
                    yield tx
                    if _changes(tx) != before:
                        self.changed += self.differences(tx)

            db.transaction = looked_at  # type: ignore[method-assign]
            try:
                yield
            finally:
                db.transaction = undone  # type: ignore[method-assign]

    @contextmanager
    def keeping(self) -> Iterator[None]:
        """Meanwhile what is written stays, though others are being `watched`."""
        db = self.cloud.controller.db
        watching = db.__dict__.pop("transaction")
        try:
            yield
        finally:
            db.transaction = watching  # type: ignore[method-assign]

    def differences(self, tx: Transaction) -> list[str]:
        """What is not as it was in alice's rows, and what is new in her name."""
        now = _all_rows(tx)
        owner = {self.ids("identity")["own"], self.ids("identity")["user_id"]}
        found = [f"deletes {key[0]}" for key in self.rows if key not in now]
        found += [f"changes {key[0]}" for key, row in self.rows.items() if key in now and now[key] != row]
        for (table, key), row in now.items():
            if self._everything.get((table, key)) != row:
                self.written.append(row)
            if (table, key) not in self._everything and _owners(table, row) & owner:
                found.append(f"makes a row of alice's in {table}")
        return found

    def keeps(self, text: str) -> bool:
        """Whether a row that the last request wrote holds this."""
        return any(text in value for row in self.written for value in row)

    def remember(self) -> None:
        """Take down what alice has now."""
        with self.cloud.controller.db.read() as tx:
            self._everything = _all_rows(tx)
        self.rows = {key: row for key, row in self._everything.items() if _names(row) & self.marks}

    _everything: dict[tuple[str, Row], Row] = field(default_factory=dict)


def in_path(operation: Operation, ask: Ask, ids: Mapping[str, Any]) -> str:
    """The operation's path with these ids."""
    return str(filled(_PARAMETER.sub(r"${\1}", operation.path), {**ids, **filled(ask.where, ids)}))


def newest(service: str) -> dict[str, str]:
    """Headers that ask for the newest version."""
    return version_of(declared()[service], "")


def _changes(tx: Transaction) -> int:
    return int(tx.connection.connection.dbapi_connection.total_changes)  # type: ignore[union-attr]


def _all_rows(tx: Transaction) -> dict[tuple[str, Row], Row]:
    found: dict[tuple[str, Row], Row] = {}
    for name, table in metadata.tables.items():
        keys = [number for number, column in enumerate(table.columns) if column.primary_key]
        for row in tx.connection.execute(select(table)):
            whole = tuple(str(value) for value in row)
            found[name, tuple(whole[number] for number in keys) or whole] = whole
    return found


def _names(row: Row) -> set[str]:
    return {each for value in row for each in (value, *_ID.findall(value))}


def _owners(table: str, row: Row) -> set[str]:
    columns = [column.name for column in metadata.tables[table].columns]
    owning = ("project_id", "user_id", "owner", "tenant_id")
    return {value for name, value in zip(columns, row, strict=True) if name in owning}


def built(cloud: Assembled) -> Town:
    """The town, with everything in it."""
    town = Town(cloud, peopled(cloud))
    town.ids("image")["fresh"] = town.ids("image")["queued"]
    _open_a_host(town)
    _furnish_alice(town)
    _hide_secrets(town)
    _furnish_bob(town)
    town.marks = _marks(town)
    town.remember()
    return town


def _open_a_host(town: Town) -> None:
    """A host that servers are placed on; nobody works there."""
    controller = town.cloud.controller
    facts = {"vcpus": 64, "memory_mb": 1 << 18, "disk_gb": 4000, "cpu_info": {"model": "max"}}
    Node(controller.db, controller.engine, None, ["host"]).join(facts)  # type: ignore[arg-type]


def _running(town: Town, who: str, **fields: Any) -> str:
    """A server that runs, as far as the services know."""
    server = {"flavorRef": town.ids("compute")["flavor_id"], **fields}
    made = str(town.make("compute", "/v2.1/servers", "server", server, who=who)["id"])
    with town.cloud.controller.db.transaction() as tx:
        tx.execute(
            update(servers).where(servers.c.id == made).values(vm_state="active", task_state=None, power_state=1)
        )
    return made


def _furnish_alice(town: Town) -> None:
    """What takes a host, which the matrix has not: a server that runs, with a port and an address from outside."""
    compute, network = town.ids("compute"), town.ids("network")
    data = base64.b64encode(f"{SECRET}-user-data".encode()).decode()
    own = {"networks": [{"uuid": network["network_id"]}], "key_name": "key", "user_data": data, "tags": ["tag"]}
    image = {"imageRef": compute["image_id"], "metadata": {"hw:cpu_policy": "a"}}
    compute["server_id"] = _running(town, "owner", name=f"{SECRET}-server", **own, **image)
    where = f"device_id={compute['server_id']}"
    (port,) = town.ask("network", "GET", "/v2.0/ports", who="owner", query=where).json["ports"]
    compute["port_id"] = network["server_port"] = port["id"]
    network["server_address"], network["server_mac"] = port["fixed_ips"][0]["ip_address"], port["mac_address"]
    floating = town.ask("network", "GET", f"/v2.0/floatingips/{network['floatingip_id']}", who="owner")
    network["floating_address"] = floating.json["floatingip"]["floating_ip_address"]
    actions = f"/v2.1/servers/{compute['server_id']}/os-instance-actions"
    told = town.ask("compute", "GET", actions, who="owner", headers=newest("compute")).json["instanceActions"]
    compute["request_id"] = told[0]["request_id"]


def _hide_secrets(town: Town) -> None:
    """Secret words in what alice has, wherever a thing has room for text."""
    identity, network, compute = (town.ids(name) for name in ("identity", "network", "compute"))

    def put(service: str, method: str, path: str, body: Any, who: str = FIRST) -> None:
        answer = town.ask(service, method, path, body, who=who, headers=newest(service))
        assert answer.status < 300, (path, answer.body)

    for plural, one, name in (
        ("networks", "network", "network_id"),
        ("subnets", "subnet", "subnet_id"),
        ("ports", "port", "port_id"),
        ("routers", "router", "router_id"),
        ("floatingips", "floatingip", "floatingip_id"),
        ("security-groups", "security_group", "group_id"),
    ):
        put("network", "PUT", f"/v2.0/{plural}/{network[name]}", {one: {"description": f"{SECRET}-{one}"}})
    server = f"/v2.1/servers/{compute['server_id']}"
    put("compute", "PUT", server, {"server": {"description": f"{SECRET}-server"}}, "owner")
    put("compute", "POST", f"{server}/metadata", {"metadata": {"note": f"{SECRET}-metadata"}}, "owner")
    fields = {"name": f"{SECRET}-image", "disk_format": "raw", "container_format": "bare", "visibility": "private"}
    secret = town.make("image", "/v2/images", "", {**fields, "note": f"{SECRET}-property"}, who="owner")["id"]
    town.ids("image")["secret"] = secret
    octets = {"content-type": "application/octet-stream"}
    data = f"{SECRET}-bytes ".encode() * 100
    assert town.ask("image", "PUT", f"/v2/images/{secret}/file", data, who="owner", headers=octets).status == 204
    for kind, name in (("users", "user_id"), ("projects", "own"), ("groups", "group_id")):
        place = f"/v3/{kind}/{identity[name]}"
        town.worlds["identity"].ask("PATCH", place, {kind[:-1]: {"description": f"{SECRET}-{kind}"}})
    blob = {"credential": {"blob": f"{SECRET}-blob"}}
    town.worlds["identity"].ask("PATCH", f"/v3/credentials/{identity['credential_id']}", blob)


def _furnish_bob(town: Town) -> None:
    """What bob needs to ask with: a network and what hangs on it, an image, a server, a key."""
    mine, make = town.mine, town.make

    def network(plural: str, one: str, **fields: Any) -> str:
        return str(make("network", f"/v2.0/{plural}", one, fields)["id"])

    mine["project_id"] = mine["own"] = town.ids("identity")["near"]
    mine["user_id"] = town.ids("identity")["user near_member"]
    mine["network_id"] = network("networks", "network", name="bobs")
    mine["subnet_id"] = network("subnets", "subnet", network_id=mine["network_id"], ip_version=4, cidr="10.66.0.0/24")
    mine["spare_subnet"] = network(
        "subnets", "subnet", network_id=mine["network_id"], ip_version=4, cidr="10.67.0.0/24"
    )
    mine["port_id"] = network("ports", "port", network_id=mine["network_id"])
    mine["router_id"] = network("routers", "router", name="bobs")
    mine["group_id"] = network("security-groups", "security_group", name="bobs")
    rule = {"security_group_id": mine["group_id"], "direction": "ingress", "protocol": "tcp"}
    mine["rule_id"] = network("security-group-rules", "security_group_rule", **rule)
    mine["floatingip_id"] = network("floatingips", "floatingip", floating_network_id=town.ids("network")["external"])
    leg = f"/v2.0/routers/{mine['router_id']}/add_router_interface"
    assert town.ask("network", "PUT", leg, {"subnet_id": mine["subnet_id"]}).status == 200
    image = {"name": "bobs", "disk_format": "raw", "container_format": "bare"}
    mine["image_id"] = make("image", "/v2/images", "", image)["id"]
    octets = {"content-type": "application/octet-stream"}
    answer = town.ask("image", "PUT", f"/v2/images/{mine['image_id']}/file", b"x" * 512, headers=octets)
    assert answer.status == 204
    mine["queued"] = make("image", "/v2/images", "", image)["id"]
    key = {"name": "bobs", "public_key": town.ids("compute")["public_key"]}
    mine["name"] = make("compute", "/v2.1/os-keypairs", "keypair", key | {"type": "ssh"})["name"]
    mine["flavor_id"] = town.ids("compute")["flavor_id"]
    networks = [{"uuid": mine["network_id"]}]
    mine["server_id"] = _running(town, "near member", name="bobs", imageRef=mine["image_id"], networks=networks)
    mine["floating_address"] = network("floatingips", "floatingip", floating_network_id=town.ids("network")["external"])
    spaces = {"namespace": "bobs", "visibility": "private", "owner": mine["own"]}
    mine["namespace"] = make("image", "/v2/metadefs/namespaces", "", spaces, who=FIRST)["namespace"]


def _marks(town: Town) -> frozenset[str]:
    """Ids in what alice sees by asking for her own things, without what is everybody's or bob's."""
    found: set[str] = set()
    for service, part in PARTS.items():
        for operation in declared()[service].operations:
            if operation.method != "GET" or "/auth/" in operation.path:
                continue
            name = name_of(operation)
            for ask in part.requests.get(name, []):
                ids = town.ids(service)
                place = filled(_PARAMETER.sub(r"${\1}", operation.path), ids | filled(ask.where, ids))
                headers = {**version_of(declared()[service], name), **filled(ask.headers, ids)}
                answer = town.ask(
                    service, "GET", place, who="owner", query=filled(ask.query, ids), headers=headers
                )  # fmt: skip
                found |= set(_ID.findall(answer.body.decode("utf-8", "replace"))) if answer.status == 200 else set()
    identity = town.ids("identity")
    known = {identity[name] for name in ("own", "near", "far", "inner", "outer")} | set(map(str, town.mine.values()))
    for service, path, query in _PUBLIC:
        answer = town.ask(service, "GET", path, who=FIRST, query=query, headers=newest(service))
        known |= set(_ID.findall(answer.body.decode()))
        subnets = answer.json.get("networks", []) if service == "network" else []
        known |= {each for network in subnets for each in network["subnets"]}
    known |= {value for name, value in identity.items() if name.startswith("user ")}
    hers = {town.ids(service)[name] for service, names in _HERS.items() for name in names.split()}
    return frozenset(found - known) | hers | {SECRET, f'"{town.ids("image")["namespace"]}"'}
