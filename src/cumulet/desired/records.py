"""What the API says of a thing and no host needs: names, owners, times.

It travels with the spec and so is kept in the nodes' journals, from which rows can be made again when the database is
lost (`decisions/0036`). A node must never act on it. Times are microseconds since the epoch; 0 is unknown. What is as
it is without being asked for is left out on the wire.
"""

from __future__ import annotations

import msgspec


class Record(msgspec.Struct, omit_defaults=True, kw_only=True):
    """Base of every record."""

    created_at: int = 0
    description: str = ""


class Owner(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A project or a user, by what it is called. `domain` is the name of its domain when that is not the default one.
    An empty `name` is unknown. `origin`: users of a directory or of an identity provider come back from there."""

    id: str
    name: str = ""
    domain_id: str = "default"
    domain: str = ""
    origin: str = "local"
