"""Allocation candidates: which providers together could give what a request asks for.

While no provider has a parent and none shares its inventory, one request of one group is one query (see
`candidates.candidates`) that stops at the request's limit. Otherwise each resource class of each group is one query,
traits, aggregates and sharing are one each, and what fits together is worked out here, tree by tree. The number of
queries depends on the request, never on the number of providers. A plain request of a cloud with trees first walks to
as many trees as its limit needs and looks at no others; anything else there reads all that have room for a class.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from sqlalchemy import bindparam, exists, func, select

from cumulet.db import Prepared, Transaction
from cumulet.db.in_list import in_bound_list
from cumulet.services.placement.model import candidates, traits
from cumulet.services.placement.model.combining import Part, combined
from cumulet.services.placement.model.filters import Filters, Request
from cumulet.services.placement.tables import inventories, provider_aggregates, provider_traits
from cumulet.services.placement.tables import providers as rows

SHARES = "MISC_SHARES_VIA_AGGREGATE"
"""The trait of a provider that shares its inventory with the members of its aggregates."""


@dataclass(slots=True)
class Found:
    """A candidate. `taken`: provider → class → amount; `mappings`: suffix of a group → providers that meet it."""

    taken: dict[str, dict[str, int]]
    mappings: dict[str, list[str]]


@dataclass(slots=True)
class Summary:
    """A provider of a tree that a candidate takes from. `resources`: class → its ``capacity`` and ``used``."""

    parent: str | None
    root: str
    resources: dict[str, dict[str, int]] = field(default_factory=dict)
    traits: list[str] = field(default_factory=list)


_HAS_PARENT = rows.c.parent_uuid > ""
"""In these words SQLite finds them along the index; for IS NOT NULL it reads every provider."""

_SHAPE = Prepared(
    select(
        exists(select(rows.c.uuid).where(_HAS_PARENT)).label("nested"),
        exists(select(provider_traits.c.trait).where(provider_traits.c.trait == SHARES)).label("sharing"),
    )
)


def find(tx: Transaction, request: Request, *, nested_aware: bool) -> tuple[list[Found], dict[str, Summary]]:
    """Candidates, and summaries of every provider of the trees that they take from.

    `nested_aware` False leaves out those that take from several providers of one tree. Raises http.faults.BadRequest
    for unknown traits.
    """
    traits.require(tx, request.traits, "")
    shape = tx.row(_SHAPE)
    assert shape is not None
    if len(request.groups) == 1 and not shape.nested and not shape.sharing:
        return _flat(tx, request)
    search = _Search(tx, request, sharing=bool(shape.sharing), nested=bool(shape.nested))
    if nested_aware and not shape.sharing and _plain(request):
        assert request.limit is not None
        search.look_only_at(candidates.trees(tx, request.groups[""].resources, request.limit))
    chosen = search.found(one_per_tree=bool(shape.nested) and not nested_aware)
    used = {uuid for one in chosen for uuid in one.taken}
    summaries = _trees(tx, {search.roots[uuid] for uuid in used})
    if shape.nested and not nested_aware:
        summaries = {uuid: summary for uuid, summary in summaries.items() if uuid in used}
    return chosen, summaries


def _plain(request: Request) -> bool:
    """Whether it is about amounts alone, and ends somewhere: then a tree that has room for it gives a candidate."""
    if request.limit is None or not request.classes or list(request.groups) != [""]:
        return False
    return request == Request({"": Filters(resources=request.groups[""].resources)}, request.limit)


def _flat(tx: Transaction, request: Request) -> tuple[list[Found], dict[str, Summary]]:
    """One group, and every provider is a tree of its own that shares nothing."""
    ((suffix, group),) = request.groups.items()
    filters = Filters(
        uuid=group.in_tree,
        member_of=group.member_of,
        outside=group.outside,
        any_traits=[*group.any_traits, *({name} for name in request.root_traits)],
        without_traits=group.without_traits | request.without_root_traits,
    )
    asked = dict(group.resources)
    uuids = candidates.fitting(tx, asked, limit=request.limit, filters=filters)
    found = [Found({uuid: asked}, {suffix: [uuid]}) for uuid in uuids]
    summaries = {uuid: Summary(None, uuid) for uuid in uuids}
    _fill(tx, summaries)
    return found, summaries


# ---- summaries ------------------------------------------------------------------------------------------------

_STOCK = Prepared(
    select(inventories.c.provider_uuid, inventories.c.resource_class, inventories.c.capacity, inventories.c.used).where(
        in_bound_list(inventories.c.provider_uuid, "ids")
    )
)
_TRAITS = Prepared(
    select(provider_traits.c.provider_uuid, provider_traits.c.trait)
    .where(in_bound_list(provider_traits.c.provider_uuid, "ids"))
    .order_by(provider_traits.c.provider_uuid, provider_traits.c.trait)
)
_IN_TREES = Prepared(
    select(rows.c.uuid, rows.c.parent_uuid, rows.c.root_uuid).where(in_bound_list(rows.c.root_uuid, "ids"))
)


def _trees(tx: Transaction, roots: set[str]) -> dict[str, Summary]:
    found = {uuid: Summary(parent, root) for uuid, parent, root in tx.tuples(_IN_TREES, {"ids": roots})}
    _fill(tx, found)
    return found


def _fill(tx: Transaction, summaries: dict[str, Summary]) -> None:
    """Inventories and traits of the providers. Two queries."""
    if not summaries:
        return
    ids = {"ids": list(summaries)}
    for uuid, name, capacity, used in tx.tuples(_STOCK, ids):
        summaries[uuid].resources[name] = {"capacity": capacity, "used": used}
    for uuid, name in tx.tuples(_TRAITS, ids):
        summaries[uuid].traits.append(name)
    for summary in summaries.values():
        if len(summary.traits) > 1:
            summary.traits = traits.ordered(summary.traits)


# ---- the search over trees and sharing providers ----------------------------------------------------------------

_HAVING = (
    select(inventories.c.provider_uuid, rows.c.root_uuid, inventories.c.free, inventories.c.max_unit)
    .join(rows, rows.c.uuid == inventories.c.provider_uuid)
    .where(
        inventories.c.resource_class == bindparam("name"),
        inventories.c.free >= bindparam("need", type_=inventories.c.free.type),
        inventories.c.min_unit <= bindparam("need", type_=inventories.c.free.type),
        inventories.c.max_unit >= bindparam("need", type_=inventories.c.free.type),
        bindparam("need", type_=inventories.c.free.type) % inventories.c.step_size == 0,
    )
    .order_by(inventories.c.free.desc(), inventories.c.provider_uuid.desc())
)
_IN_CLOUD = Prepared(_HAVING)
_IN_TREE = Prepared(_HAVING.where(rows.c.root_uuid == bindparam("root")))
_AMONG = Prepared(_HAVING.where(in_bound_list(inventories.c.provider_uuid, "ids")), by_values=True)
_EVERYBODY = Prepared(select(rows.c.uuid, rows.c.root_uuid).order_by(rows.c.uuid))
_NESTED = Prepared(select(rows.c.uuid, rows.c.parent_uuid).where(_HAS_PARENT))
_WITH_TRAITS = Prepared(
    select(provider_traits.c.trait, provider_traits.c.provider_uuid).where(
        in_bound_list(provider_traits.c.trait, "ids")
    )
)
_MEMBERS = Prepared(
    select(provider_aggregates.c.aggregate_uuid, provider_aggregates.c.provider_uuid).where(
        in_bound_list(provider_aggregates.c.aggregate_uuid, "ids")
    )
)
_sharer, _member = provider_aggregates.alias(), provider_aggregates.alias()
_ANCHORS = Prepared(
    select(_sharer.c.provider_uuid, rows.c.root_uuid)
    .join(provider_traits, provider_traits.c.provider_uuid == _sharer.c.provider_uuid)
    .join(_member, _member.c.aggregate_uuid == _sharer.c.aggregate_uuid)
    .join(rows, rows.c.uuid == _member.c.provider_uuid)
    .where(provider_traits.c.trait == SHARES)
    .group_by(_sharer.c.provider_uuid, rows.c.root_uuid)
    .order_by(_sharer.c.provider_uuid, rows.c.root_uuid)
)
_ROOT_OF = Prepared(select(func.max(rows.c.root_uuid)).where(rows.c.uuid == bindparam("uuid")))

Rooted = dict[str, str]
"""provider → root of its tree, in the order of what is free"""


class _Search:
    """One search: what it has read, by provider."""

    def __init__(self, tx: Transaction, request: Request, *, sharing: bool, nested: bool) -> None:
        self.tx, self.request = tx, request
        self.several = sharing or nested
        self.among: list[str] | None = None  # the providers that are looked at; None: all
        self.roots: dict[str, str] = {}
        self.room: dict[tuple[str, str], tuple[int, int]] = {}
        self.with_trait = self._sets(_WITH_TRAITS, {*request.traits, SHARES})
        named = set().union(*(group.aggregates for group in request.groups.values()))
        self.members = self._sets(_MEMBERS, named) if named else {}
        self.anchors: dict[str, list[str]] = {}
        for uuid, root in tx.tuples(_ANCHORS) if sharing else ():
            self.anchors.setdefault(uuid, []).append(root)

    def look_only_at(self, roots: list[str]) -> None:
        """Leave all other trees out."""
        self.among = [uuid for uuid, *_ in self.tx.tuples(_IN_TREES, {"ids": roots})]

    def _sets(self, statement: Prepared[Any], names: set[str]) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {name: set() for name in names}
        for name, uuid in self.tx.tuples(statement, {"ids": sorted(names)}):
            found[name].add(uuid)
        return found

    def found(self, *, one_per_tree: bool) -> list[Found]:
        """The candidates, no more than the request's limit."""
        parts: dict[str, list[Part]] = {}
        for suffix, group in self.request.groups.items():
            several = not suffix and self.several
            parts[suffix] = list(self._of_several(group) if several else self._of_one(group))
            if not parts[suffix]:
                return []
        parents = dict(self.tx.tuples(_NESTED)) if self.request.subtrees else {}
        found: list[Found] = []
        for taken, mappings in combined(self.request, parts, self.room, parents):
            if one_per_tree and len({self.roots[uuid] for uuid in taken}) < len(taken):
                continue
            found.append(Found(taken, mappings))
            if len(found) == self.request.limit:
                break
        return found

    # ---- what each group needs

    def _having(self, group: Filters, name: str) -> Rooted:
        """Providers with room for what the group asks of one class. One query."""
        values: dict[str, Any] = {"name": name, "need": group.resources[name]}
        statement = _IN_CLOUD
        if self.among is not None:
            statement, values["ids"] = _AMONG, self.among
        if group.in_tree is not None:
            statement, values["root"] = _IN_TREE, self.tx.scalar(_ROOT_OF, {"uuid": group.in_tree})
        found: Rooted = {}
        for uuid, root, free, most in self.tx.tuples(statement, values):
            found[uuid] = root
            self.room[uuid, name] = free, most
        self.roots.update(found)
        return found

    def _everybody(self, group: Filters) -> Rooted:
        found: Rooted = dict(self.tx.tuples(_EVERYBODY))
        if group.in_tree is not None:
            root = found.get(group.in_tree)
            found = {uuid: its for uuid, its in found.items() if its == root}
        self.roots.update(found)
        return found

    def _root_fits(self, root: str) -> bool:
        request = self.request
        return all(root in self.with_trait[name] for name in request.root_traits) and not any(
            root in self.with_trait[name] for name in request.without_root_traits
        )

    def _of_one(self, group: Filters) -> Iterator[Part]:
        """Parts in which one provider gives all that the group asks."""
        if group.resources:
            first, *others = [self._having(group, name) for name in sorted(group.resources)]
        else:
            first, others = self._everybody(group), []
        sharing = self.with_trait[SHARES]
        taken = tuple(group.resources.items())
        for uuid, root in first.items():
            if not all(uuid in other for other in others) or not self._alone_fits(group, uuid):
                continue
            anchors = dict.fromkeys([root, *(self.anchors.get(uuid, ()) if uuid in sharing else ())])
            for anchor in anchors:
                if self._root_fits(anchor):
                    yield Part(anchor, tuple((uuid, name, amount) for name, amount in taken), (uuid,))

    def _alone_fits(self, group: Filters, uuid: str) -> bool:
        return (
            all(any(uuid in self.with_trait[name] for name in choice) for choice in group.any_traits)
            and not any(uuid in self.with_trait[name] for name in group.without_traits)
            and all(any(uuid in self.members[name] for name in choice) for choice in group.member_of)
            and not any(uuid in self.members[name] for name in group.outside)
        )

    def _of_several(self, group: Filters) -> Iterator[Part]:
        """Parts in which providers of one tree, and those that share with it, give what the group asks together."""
        by_root: list[dict[str, list[str]]] = []
        names = sorted(group.resources)
        for name in names:
            givers: dict[str, list[str]] = {}
            for uuid, root in self._givers(group, self._having(group, name)):
                givers.setdefault(root, []).append(uuid)
            by_root.append(givers)
        first, *others = by_root
        for root in first:
            if not self._root_fits(root) or not all(root in other for other in others):
                continue
            for chosen in product(*(givers[root] for givers in by_root)):
                if self._together_fit(group, chosen):
                    taken = tuple((uuid, name, group.resources[name]) for uuid, name in zip(chosen, names, strict=True))
                    yield Part(root, taken, tuple(dict.fromkeys(chosen)))

    def _givers(self, group: Filters, having: Rooted) -> Iterator[tuple[str, str]]:
        """(provider, root of the tree that it may give to) as far as aggregates allow. That a root is in an
        aggregate counts for its whole tree."""
        member = {uuid for uuid in having if self._in_aggregates(group, uuid)} if group.member_of else None
        pairs = dict.fromkeys(having.items())
        if group.in_tree is None:
            sharers = [uuid for uuid in having if uuid in self.anchors and (member is None or uuid in member)]
            pairs |= dict.fromkeys((uuid, root) for uuid in sharers for root in self.anchors[uuid])
        for uuid, root in pairs:
            if member is not None and uuid not in member and not self._in_aggregates(group, root):
                continue
            if not any(uuid in self.members[name] or root in self.members[name] for name in group.outside):
                yield uuid, root

    def _in_aggregates(self, group: Filters, uuid: str) -> bool:
        return all(any(uuid in self.members[name] for name in choice) for choice in group.member_of)

    def _together_fit(self, group: Filters, chosen: tuple[str, ...]) -> bool:
        """Whether none has a forbidden trait and each required one is had by somebody."""
        return not any(uuid in self.with_trait[name] for name in group.without_traits for uuid in chosen) and all(
            any(uuid in self.with_trait[name] for name in choice for uuid in chosen) for choice in group.any_traits
        )
