"""What a list of providers or of candidates is narrowed to: plain values, no SQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass
class Filters:
    """What providers must have. Each of `member_of` and `any_traits` must be met by one of its members; none of the
    forbidden ones may be. Amounts of `resources` are in the class's own unit."""

    name: str | None = None
    uuid: str | None = None
    in_tree: str | None = None
    resources: Mapping[str, int] = field(default_factory=dict)
    member_of: list[list[str]] = field(default_factory=list)
    outside: set[str] = field(default_factory=set)
    any_traits: list[set[str]] = field(default_factory=list)
    without_traits: set[str] = field(default_factory=set)

    @property
    def traits(self) -> set[str]:
        """All traits that are named."""
        return set().union(*self.any_traits, self.without_traits)

    @property
    def aggregates(self) -> set[str]:
        """All aggregates that are named."""
        return set().union(*self.member_of, self.outside)


@dataclass
class Request:
    """A request for candidates.

    `groups`: suffix → what that group needs. The group without a suffix may be met by several providers of a tree and
    by providers that share with it; each other group is met by one provider. `isolate`: no provider meets two groups
    that have a suffix. `subtrees`: groups whose providers must all be below (or be) one of them. `root_traits` and
    `without_root_traits` are about the root of the tree.
    """

    groups: dict[str, Filters]
    limit: int | None = None
    isolate: bool = False
    root_traits: set[str] = field(default_factory=set)
    without_root_traits: set[str] = field(default_factory=set)
    subtrees: list[set[str]] = field(default_factory=list)

    @property
    def classes(self) -> list[str]:
        """All resource classes that are asked for, sorted."""
        return sorted({name for group in self.groups.values() for name in group.resources})

    @property
    def traits(self) -> set[str]:
        """All traits that are named."""
        named = (group.traits for group in self.groups.values())
        return set().union(*named, self.root_traits, self.without_root_traits)
