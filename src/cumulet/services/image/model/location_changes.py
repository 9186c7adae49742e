"""What a patch makes of an image's list of locations, in the words of Glance. Pure: nothing here asks a database or a
network.

An image's bytes never change by it: locations may be added to an image that is queued (which makes it active) or
active, their metadata and order may change, one may be taken away; but the last one stays, and an address is never
replaced by another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct

from cumulet.http.faults import BadRequest, Conflict, NotAllowed, TooLarge
from cumulet.http.repeats import repeated
from cumulet.services.image.states import ACTIVE, QUEUED
from cumulet.services.image.tables import ImageRow

HASH_SIZES = {"md5": 16, "sha1": 20, "sha256": 32, "sha512": 64}
HASH = "sha512"
MOST = 10


class Location(Struct, frozen=True):
    """A location as clients see it. `id` is that of its row, None for one that the patch adds."""

    url: str
    metadata: dict[str, Any]
    id: int | None = None

    def shown(self) -> dict[str, Any]:
        """Its JSON."""
        return {"url": self.url, "metadata": self.metadata}


@dataclass
class Locations:
    """An image's locations while a patch is applied to them; `facts` are columns that the patch settles."""

    row: ImageRow
    locations: list[Location]
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def status(self) -> str:
        """The image's status as far as the patch has come."""
        return str(self.facts.get("status", self.row.status))

    def add(self, given: Mapping[str, Any], at: str) -> None:
        """Add one at a place in the list, ``-`` for its end. Raises 400, 409 and 413."""
        self._require_status("add", ACTIVE, QUEUED)
        facts = self._validated([given])
        place = _index(at, len(self.locations))
        if place is None:
            raise BadRequest("Invalid position for adding a location.")
        new = Location(given["url"], _plain(given["metadata"]))
        if any(one.url == new.url and one.metadata == new.metadata for one in self.locations):
            raise _duplicate(new.url)
        self._require_room(1)
        self.locations.insert(place, new)
        self._activate(facts)

    def replace(self, given: Sequence[Mapping[str, Any]]) -> None:
        """The whole list anew: for an image that has none; else only metadata and order may differ. Raises 400, 403
        and 409."""
        if not given:
            raise NotAllowed("Cannot set locations to empty list.", code="HTTPForbidden")
        self._require_status("replace", ACTIVE, QUEUED)
        facts = self._validated(given)
        wanted = [Location(one["url"], _plain(one["metadata"])) for one in given]
        if self.locations and sorted(one.url for one in wanted) != sorted(one.url for one in self.locations):
            raise BadRequest("Original locations is not empty: an image's addresses cannot be replaced by others.")
        twice = repeated([one.url, one.metadata] for one in wanted)
        if twice is not None:
            raise _duplicate(wanted[twice].url)
        self._require_room(len(wanted) - len(self.locations))
        left = {one.url: one.id for one in self.locations}
        self.locations = [Location(one.url, one.metadata, left.get(one.url)) for one in wanted]
        self._activate(facts)

    def remove(self, at: str) -> None:
        """Take one away. Raises 400, 403 and 409."""
        self._require_status("remove", ACTIVE)
        if len(self.locations) == 1:
            raise NotAllowed("Cannot remove last location in the image.", code="HTTPForbidden")
        place = _index(at, len(self.locations) - 1, end=len(self.locations) - 1)
        if place is None:
            raise BadRequest("Invalid position for removing a location.")
        del self.locations[place]

    def _require_room(self, more: int) -> None:
        if more > 0 and len(self.locations) + more > MOST:
            raise TooLarge(
                "The limit has been exceeded on the number of allowed image locations. "
                f"Attempted: {len(self.locations) + more}, Maximum: {MOST}"
            )

    def _require_status(self, verb: str, *statuses: str) -> None:
        if self.status not in statuses:
            raise Conflict(f"It's not allowed to {verb} locations if image status is {self.status}.")

    def _activate(self, facts: Mapping[str, Any]) -> None:
        if self.status != QUEUED:
            return
        missing = [name for name in ("disk_format", "container_format") if not getattr(self.row, name)]
        if missing:
            noun = "Property" if len(missing) == 1 else "Properties"
            raise BadRequest(f"{noun} {', '.join(missing)} must be set prior to saving data.")
        self.facts.update(facts, status=ACTIVE)

    def _validated(self, given: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """The checksums that the locations bring and the image lacks. Raises 409."""
        wanted: dict[str, Any] = {}
        for one in given:
            for name, value in one.get("validation_data", {}).items():
                if wanted.setdefault(name, value) != value:
                    raise Conflict(f"Conflicting values for {name}")
        new = {}
        for name, value in wanted.items():
            current = self.facts.get(name, getattr(self.row, name))
            if value != current and current:
                raise Conflict(f"{name} is already set with a different value")
            if value != current:
                new[name] = value
        if new and self.status != QUEUED:
            names = ", ".join(new)
            raise Conflict(f"New value(s) for {names} may only be provided when image status is 'queued'")
        if new:
            _require_digests(new)
        return new


def _plain(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Metadata without the name of the store, which the service writes."""
    return {name: value for name, value in metadata.items() if name != "store"}


def _duplicate(url: str) -> BadRequest:
    return BadRequest(f"The location {url} already exists")


def _index(text: str, most: int, *, end: int | None = None) -> int | None:
    """A place of a list: a number up to `most`, or the end."""
    if text == "-":
        return most if end is None else end
    if not (text.isascii() and text.isdigit() and len(text) < 6):
        return None
    return int(text) if int(text) <= most else None


def _require_digests(given: Mapping[str, Any]) -> None:
    if "checksum" in given:
        _require_digest("checksum", given["checksum"], "md5")
    if (algorithm := given.get("os_hash_algo")) != HASH:
        raise Conflict(f"os_hash_algo must be {HASH}, not {algorithm}")
    _require_digest("os_hash_value", given.get("os_hash_value", ""), HASH)


def _require_digest(name: str, value: str, algorithm: str) -> None:
    reason = digest_problem(name, value, algorithm)
    if reason is not None:
        raise Conflict(reason)


def digest_problem(name: str, value: str, algorithm: str) -> str | None:
    """What is wrong with a digest in hexadecimal, or None."""
    size = HASH_SIZES[algorithm]
    try:
        found = bytes.fromhex(value)
    except ValueError:
        return f"{name} ({value}) is not a valid hexadecimal value"
    if len(found) != size:
        return f"{name} ({value}) is not the correct size for {algorithm} (should be {size} bytes)"
    return None
