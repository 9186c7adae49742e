"""Making rows of what nodes keep: what they say is looked at, handed to the services, and what came of each is told.

Everything here is a node's word. It is taken only on an operator's, as far as it makes sense, and only about what no
row knows: a row that is there is never changed by it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct
from sqlalchemy import select

from cumulet.db import Transaction
from cumulet.db.in_list import in_list
from cumulet.desired import checks
from cumulet.desired.clouds import Cloud
from cumulet.desired.guest import GuestState
from cumulet.desired.kinds import SPECS, Kind
from cumulet.desired.port import joined
from cumulet.desired.records import Owner
from cumulet.fleet.model import clouds, hosts, keeping
from cumulet.fleet.model.told import sentence
from cumulet.fleet.tables import kept as keepings
from cumulet.fleet.tables import links

Key = tuple[str, str]
"""Kind and id."""


class UnclearError(ValueError):
    """It is not clear which things are meant; a sentence says why."""


class Thing(Struct, frozen=True):
    """Something that a node keeps and whose spec makes sense. `host` is where it is (of what many guests share: the
    first host of its node)."""

    link_id: str
    host: hosts.Host
    kind: Kind
    ref: str
    spec: Any
    facts: GuestState
    age: tuple[int, int]

    @property
    def key(self) -> Key:
        """Kind and id."""
        return self.kind, self.ref


class Line(Struct, frozen=True):
    """One thing of an answer. `note` says what else is to be known, or why nothing was made of it."""

    kind: str
    id: str
    name: str = ""
    host: str = ""
    owner: str = ""
    note: str = ""


@dataclass
class Adoption:
    """What is there to be adopted, and what came of it. `foreign`: it was wanted by a cloud of another id, so that
    these rows are new. `projects` and `users` are those that the adopted things belong to; `busy` are ids of
    projects and users that own something in these rows already; `differing` are things of which nodes say different
    things, though they say who owns them; `became` are projects of these rows that have another id now; `ports_of` are
    the ports of guests, which stand within these here."""

    cloud_id: str
    foreign: bool
    things: list[Thing] = field(default_factory=list)
    adopted: list[Line] = field(default_factory=list)
    left: list[Line] = field(default_factory=list)
    projects: dict[str, Owner] = field(default_factory=dict)
    users: dict[str, Owner] = field(default_factory=dict)
    busy: set[str] = field(default_factory=set)
    differing: set[Key] = field(default_factory=set)
    became: dict[str, str] = field(default_factory=dict)
    ports_of: dict[str, list[str]] = field(default_factory=dict)
    _away: set[Key] = field(default_factory=set)
    _done: set[Key] = field(default_factory=set)

    def of_kind(self, kind: Kind) -> list[Thing]:
        """Things of which something may still be made; the newest first of those that several nodes keep."""
        return [thing for thing in self.things if thing.kind == kind and thing.key not in self._away]

    def leave(self, thing: Thing, why: str) -> None:
        """Nothing is made of the thing."""
        self._away.add(thing.key)
        self.left.append(Line(thing.kind, thing.ref, _name(thing.spec), thing.host.name, note=why))

    def take(self, thing: Thing, name: str, owner: str = "", note: str = "") -> None:
        """Rows were made of the thing."""
        self._done.add(thing.key)
        if thing.key in self.differing:
            note = "; ".join(filter(None, (note, f"nodes say different things of it; {thing.host.name} the newest")))
        self.adopted.append(Line(thing.kind, thing.ref, name, thing.host.name, owner, note))

    def note(self, kind: str, id: str, name: str, note: str = "") -> None:
        """A row was made for what things belong to or consist of."""
        self.adopted.append(Line(kind, id, name, note=note))

    def belongs(self, project: Owner, user: Owner | None = None) -> None:
        """Something that is adopted belongs to these; who says more of them is believed."""
        for owner, known in ((project, self.projects), (user, self.users)):
            if owner is not None and owner.id and (owner.id not in known or (owner.name and not known[owner.id].name)):
                known[owner.id] = owner

    @property
    def refs(self) -> set[str]:
        """Ids of which rows were made, those of guests' ports among them."""
        refs = {ref for _, ref in self._done}
        return refs | {port_id for ref in refs for port_id in self.ports_of.get(ref, ())}


Adopter = Callable[[Transaction, Adoption], None]
"""A service's part: makes rows of the things that it knows, and says what it leaves."""


class Turn(IntEnum):
    """When an adopter has its turn: each after all those of the turns before."""

    VET = 0  # leaves what can never be adopted
    SHARED = 1  # what guests stand on
    GUESTS = 2
    OWNERS = 3  # whom what was adopted belongs to
    FOLLOW = 4  # what else belongs to owners who have another id now


class Adopting(NamedTuple):
    """An adopter and its turn."""

    turn: Turn
    adopt: Adopter


def chosen(tx: Transaction, cloud_id: str | None, kept: Iterable[keeping.KeptThing]) -> tuple[str, bool]:
    """The cloud whose things are meant, and whether that is another one than this database's. Raises UnclearError.

    Another one is only taken for granted when no node belongs to this one: one node that lies, or has come from
    elsewhere, must not take the whole cloud from all others.
    """
    own = clouds.current(tx)
    own_id = "" if own is None else own.id
    there = {thing.cloud_id for thing in kept} | {held.cloud_id for held in hosts.held(tx)} | {own_id}
    others = there - {"", own_id}
    if cloud_id:
        if cloud_id not in there:
            raise UnclearError(f"no node keeps anything of a cloud {sentence(cloud_id, 64)}")
        return cloud_id, cloud_id != own_id
    if others and hosts.belonging(tx, own_id):
        others.add(own_id)
    if len(others) > 1:
        raise UnclearError(
            f"nodes keep what several clouds wanted: {', '.join(sorted(others))}; say which with --cloud"
            + (f" (this one is {own_id})" if own_id in others else "")
        )
    return (others.pop(), True) if others else (own_id, False)


def begin(tx: Transaction, cloud_id: str | None) -> Adoption:
    """All that is kept of the cloud, as far as it makes sense. Raises UnclearError."""
    kept = keeping.every(tx)
    found = Adoption(*chosen(tx, cloud_id, kept))
    every = hosts.every(tx)
    by_name = {host.name: host for host in every}
    first = {host.link_id: host for host in reversed(every)}
    for one in kept:
        if one.cloud_id not in ("", found.cloud_id):
            continue
        host = by_name.get(one.host) if one.host else first.get(one.link_id)
        try:
            if host is None or host.link_id != one.link_id or (one.kind == "guest" and not one.host):
                raise ValueError("its node has no such host")
            found.things.append(_thing(one, host))
        except (ValueError, msgspec.ValidationError) as error:
            found.left.append(Line(one.kind, one.ref, host=one.host, note=sentence(str(error), 300)))
    _join_ports(found)
    said: dict[Key, Any] = {}
    for thing in found.things:
        mine = _said(thing)
        if said.setdefault(thing.key, mine) != mine:
            found.differing.add(thing.key)
    found.things.sort(key=lambda thing: (thing.kind, thing.ref, [-number for number in thing.age]))
    return found


def _join_ports(found: Adoption) -> None:
    """Ports are told within their guests, as services make rows of both together: those of the guest's own node."""
    ports = {(thing.link_id, thing.ref): thing.spec for thing in found.things if thing.kind == "port"}
    found.things = [thing for thing in found.things if thing.kind != "port"]
    for thing in found.things:
        if thing.kind == "guest" and thing.spec.ports:
            own = {plug.port_id: ports.get((thing.link_id, plug.port_id)) for plug in thing.spec.ports}
            known = {id: port for id, port in own.items() if port is not None and port.guest_id == thing.ref}
            found.ports_of[thing.ref] = list(own)
            thing.spec.interfaces, thing.spec.ports = joined(thing.spec.ports, known), []


def _said(thing: Thing) -> Any:
    """What its spec says that is the same on every node that has it in full."""
    if thing.kind == "network":
        return msgspec.structs.replace(thing.spec, dhcp=None, peers=[])
    if thing.kind == "security_group":
        return msgspec.structs.replace(thing.spec, members=[])
    return thing.spec


def _thing(one: keeping.KeptThing, host: hosts.Host) -> Thing:
    if one.spec is None:
        raise ValueError("its node does not remember what it is")
    spec: Any = msgspec.convert(one.spec, SPECS[one.kind])
    if spec.id != one.ref:
        raise ValueError("its node remembers something else under its id")
    checks.check(one.kind, spec)
    facts = msgspec.convert(one.facts, GuestState) if one.kind == "guest" else GuestState()
    return Thing(one.link_id, host, one.kind, one.ref, spec, facts, (one.epoch, one.revision))


def _name(spec: Any) -> str:
    record = getattr(spec, "record", None)
    return sentence(str(getattr(spec, "display_name", "") or getattr(record, "name", "")), 255)


def described(one: keeping.KeptThing) -> Line:
    """A thing that is kept, in its node's words."""
    spec = one.spec if isinstance(one.spec, dict) else {}
    record = spec.get("record")
    name = spec.get("display_name") or (record.get("name") if isinstance(record, dict) else "")
    owner = spec.get("project_id")
    clean = [sentence(text, 255) if isinstance(text, str) else "" for text in (name, owner)]
    return Line(one.kind, one.ref, clean[0], one.host, clean[1], one.why)


def finish(tx: Transaction, cloud_id: str, done: Sequence[str], *, unsettled: bool = False) -> Cloud | None:
    """Nodes take these rows from now on: the new epoch, when there is a node that would not, or when these rows are not
    known to be right (`unsettled`). `done`: ids that are not kept any more."""
    if done:
        tx.delete(keepings, in_list(keepings.c.ref, done))
    own = clouds.current(tx)
    if not unsettled and not hosts.held(tx) and own is not None and own.id == cloud_id:
        return None
    return clouds.raise_epoch(tx, cloud_id=cloud_id)


def silent(tx: Transaction, kept: Iterable[keeping.KeptThing], *, every: bool) -> list[str]:
    """Names of nodes that hold and have not said what they keep. `every`: these rows are not known to be right, so that
    every node may be about to say it, one that has not come back yet, too."""
    heard = {thing.link_id for thing in kept}
    if not every:
        return [node.name for node in hosts.held(tx) if node.link_id not in heard]
    rows = tx.rows(select(links.c.id, links.c.name).order_by(links.c.name))
    return [row.name for row in rows if row.id not in heard] if rows else ["any node"]


def digest(kept: Iterable[keeping.KeptThing]) -> str:
    """What stands for all that is kept, so that an operator's yes is about what they were shown."""
    rows = sorted([each.link_id, each.kind, each.ref, each.cloud_id, each.epoch, each.revision] for each in kept)
    return hashlib.sha256(msgspec.json.encode(rows)).hexdigest()
