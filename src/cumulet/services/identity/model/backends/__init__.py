"""Sources of a domain's users and groups other than our own rows: one interface, `Directory`, and what speaks it.

Users of such a source have rows all the same (`mirror.py`), so that assignments, tokens and lists need not know where a
user comes from; the rows follow the source whenever it is asked. A source is asked outside of every transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from msgspec import Struct, field


class Unreachable(Exception):
    """The source did not answer, or not in time."""


class Entry(Struct, frozen=True):
    """A user or group of a source. `local_id`: what the source knows it by for good; `where`: its address there;
    `members`: of a group, the `where` (or local ids) of who is in it; `extra`: further attributes to show."""

    local_id: str
    name: str
    where: str = ""
    enabled: bool = True
    extra: dict[str, Any] = field(default_factory=dict)
    members: tuple[str, ...] = ()


class Directory(Protocol):
    """A source that is only read. Every call may take long, and raises `Unreachable`."""

    def users(self, *, name: str | None = None, local_id: str | None = None) -> Sequence[Entry]:
        """All users, or those of that name or id."""
        ...

    def groups(self, *, local_id: str | None = None) -> Sequence[Entry]:
        """All groups, or the one of that id."""
        ...

    def groups_of(self, user: Entry) -> Sequence[Entry]:
        """The groups that the user is in."""
        ...

    def users_in(self, group: Entry) -> Sequence[Entry]:
        """The users who are in the group."""
        ...

    def proves(self, user: Entry | None, password: str) -> bool:
        """Whether `password` is the user's; None (there is no such user) takes as long and is False."""
        ...
