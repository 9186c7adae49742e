"""How the parts of a request's groups become candidates: plain values, no SQL.

Each part meets one group, anchored at a tree. A candidate is one part of each group with the same anchor, and what
they take together must still fit into each provider.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct

from cumulet.services.placement.model.filters import Request

MOST = 200_000
"""How many combinations are looked at; a request that has more of them finds what it has by then."""


class Part(Struct, frozen=True):
    """What meets one group: (provider, class, amount) of each thing taken, and all providers that take part."""

    anchor: str
    taken: tuple[tuple[str, str, int], ...]
    providers: tuple[str, ...]


Room = Mapping[tuple[str, str], tuple[int, int]]
"""(provider, class) → (free, the most that may be taken at once)"""
Candidate = tuple[dict[str, dict[str, int]], dict[str, list[str]]]
"""(provider → class → amount, suffix → providers)"""


def combined(
    request: Request, parts: Mapping[str, list[Part]], room: Room, parents: Mapping[str, str]
) -> Iterator[Candidate]:
    """Candidates, each once, taking turns between the trees so that a limit does not end in one tree.

    `parts`: suffix → parts; `parents`: provider → its parent, of those that have one.
    """
    by_anchor: dict[str, dict[str, list[Part]]] = {}
    for suffix, group in parts.items():
        for part in group:
            by_anchor.setdefault(part.anchor, {}).setdefault(suffix, []).append(part)
    turns = [_of_anchor(request, groups, room, parents) for groups in by_anchor.values() if len(groups) == len(parts)]
    seen: set[object] = set()
    looked = 0
    while turns:
        left = []
        for turn in turns:
            candidate = next(turn, None)
            looked += 1
            if candidate is None:
                continue
            left.append(turn)
            taken, mappings = candidate
            key = (
                frozenset((uuid, name, amount) for uuid, of in taken.items() for name, amount in of.items()),
                frozenset((suffix, frozenset(uuids)) for suffix, uuids in mappings.items()),
            )
            if key not in seen:
                seen.add(key)
                yield candidate
            if looked >= MOST:
                return
        turns = left


def _of_anchor(
    request: Request, groups: Mapping[str, list[Part]], room: Room, parents: Mapping[str, str]
) -> Iterator[Candidate]:
    """Candidates of one tree."""
    suffixes = list(groups)
    budget = [MOST]
    for chosen in _chosen(groups, suffixes, room, {}, budget):
        by_suffix = dict(zip(suffixes, chosen, strict=True))
        if request.isolate and not _isolated(by_suffix):
            continue
        if not all(_one_subtree(by_suffix, names, parents) for names in request.subtrees):
            continue
        taken: dict[str, dict[str, int]] = {}
        for part in chosen:
            for uuid, name, amount in part.taken:
                of = taken.setdefault(uuid, {})
                of[name] = of.get(name, 0) + amount
        yield taken, {suffix: list(part.providers) for suffix, part in by_suffix.items()}


def _chosen(
    groups: Mapping[str, list[Part]],
    suffixes: list[str],
    room: Room,
    sums: dict[tuple[str, str], int],
    budget: list[int],
) -> Iterator[tuple[Part, ...]]:
    """One part of each group, as far as they fit together; a choice that does not fit is not followed further."""
    if not suffixes:
        yield ()
        return
    for part in groups[suffixes[0]]:
        budget[0] -= 1
        if budget[0] < 0:
            return
        more = dict(sums)
        for uuid, name, amount in part.taken:
            more[uuid, name] = more.get((uuid, name), 0) + amount
        if all(more[uuid, name] <= min(room[uuid, name]) for uuid, name, _ in part.taken):
            for rest in _chosen(groups, suffixes[1:], room, more, budget):
                yield (part, *rest)


def _isolated(by_suffix: Mapping[str, Part]) -> bool:
    alone = [part.providers[0] for suffix, part in by_suffix.items() if suffix]
    return len(set(alone)) == len(alone)


def _one_subtree(by_suffix: Mapping[str, Part], names: set[str], parents: Mapping[str, str]) -> bool:
    """Whether one of the groups' providers is, or is above, all of them."""
    uuids = {uuid for suffix in names for uuid in by_suffix[suffix].providers}
    lines = [_line(uuid, parents) for uuid in uuids]
    return any(all(top in line for line in lines) for top in uuids)


def _line(uuid: str, parents: Mapping[str, str]) -> set[str]:
    """The provider and all above it."""
    found = {uuid}
    above = parents.get(uuid)
    while above is not None and above not in found:
        found.add(above)
        above = parents.get(above)
    return found
