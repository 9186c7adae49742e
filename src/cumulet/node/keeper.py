"""What is here and was not asked for: the controller is told of it, and asked about it after a long time.

Nothing is removed because a controller does not mention it. What it had no word of for `strange_s` seconds it is asked
about by id, and only what it affirms is removed. Of the rest the controller gets a list, for `status` and `adopt`.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import msgspec

from cumulet.desired.clouds import Cloud
from cumulet.desired.items import Item
from cumulet.desired.keeping import Keeping, Kept, Strange, Strangers, Unwanted
from cumulet.desired.kinds import Kind
from cumulet.node.journal import Entry, entry
from cumulet.node.link import Link, LinkError

log = logging.getLogger("cumulet.node")

Key = tuple[Kind, str]
T = TypeVar("T")
_QUESTIONS = 500
_CHUNK, _CHUNK_BYTES = 2000, 8 << 20


class Keeper:
    """What one node keeps. Its methods are called from one thread, but `unlisted` and `listed`."""

    def __init__(self, link: Link, strange_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._link, self._strange_s, self._clock = link, strange_s, clock
        self._since: dict[Key, float] = {}
        self._told: tuple[Cloud | None, bytes] | None = None

    def strange(self, now_strange: Iterable[Key]) -> list[Key]:
        """These are strange now, and all others are not; which of them have been for long enough to be asked about."""
        now = self._clock()
        self._since = {key: self._since.get(key, now) for key in now_strange}
        return [key for key, since in self._since.items() if now - since >= self._strange_s]

    def ask(self, entries: Sequence[Strange]) -> Unwanted | None:
        """Those of these that the controller affirms to be unwanted; None when it cannot be asked."""
        found: list[Strange] = []
        answer = None
        for some in _chunks(entries, _QUESTIONS):
            try:
                answer = self._link.strange(Strangers(strange=some))
            except LinkError as error:
                log.warning("asking about what is strange: %s", error)
                return None
            asked = {(each.kind, each.ref) for each in some}
            found += [each for each in answer.unwanted if (each.kind, each.ref) in asked]
        return None if answer is None else msgspec.structs.replace(answer, unwanted=found)

    def tell(self, cloud: Cloud | None, kept: Sequence[Kept]) -> None:
        """The controller of `cloud` gets this list, unless it is what it got last."""
        said = (cloud, msgspec.json.encode(kept))
        if said == self._told:
            return
        number = time.time_ns() // 1000
        try:
            chunks = list(_portions(kept)) or [[]]
            for place, some in enumerate(chunks, 1):
                self._link.kept(Keeping(round=number, kept=some, last=place == len(chunks)))
        except LinkError as error:
            if error.status != 404:  # one of before, that has no such list
                log.warning("telling what is kept: %s", error)
                return
        self._told = said


def kept(known: Entry, why: str) -> Kept:
    """An item of the journal that is kept."""
    item = Item(
        host=known.host, kind=known.kind, ref=known.ref, revision=known.revision,
        format=known.format, spec=known.spec,
    )  # fmt: skip
    return Kept(
        host=known.host, kind=known.kind, ref=known.ref, why="hold" if why == "hold" else "strange",
        cloud_id=known.cloud_id, epoch=known.epoch, revision=known.revision, item=item,
    )  # fmt: skip


def question(key: Key, known: Entry | None, cloud: Cloud | None) -> Strange:
    """What is asked about something strange. Another cloud's numbers mean nothing to this one."""
    if known is None or cloud is None or known.cloud_id != cloud.id:
        return Strange(kind=key[0], ref=key[1])
    return Strange(kind=key[0], ref=key[1], epoch=known.epoch, revision=known.revision, run=known.run)


def tombstone(unwanted: Strange, was: Entry | None, answer: Unwanted, cloud: Cloud) -> Entry:
    """The word of `cloud` that something that was strange is to go."""
    kind, ref = unwanted.kind, unwanted.ref
    log.warning("%s %s is wanted no more, says the controller: removing what is left of it", kind, ref)
    revision = max(answer.revision, was.revision if was else 0)
    return entry(Item(host=was.host if was else "", kind=kind, ref=ref, revision=revision, gone=True), cloud)


def _chunks(things: Sequence[T], size: int) -> Iterator[list[T]]:
    left = iter(things)
    while some := list(itertools.islice(left, size)):
        yield some


def _portions(kept: Sequence[Kept]) -> Iterator[list[Kept]]:
    """In requests of a size that is taken."""
    some: list[Kept] = []
    size = 0
    for each in kept:
        own = len(msgspec.json.encode(each))
        if some and (len(some) >= _CHUNK or size + own > _CHUNK_BYTES):
            yield some
            some, size = [], 0
        some.append(each)
        size += own
    if some:
        yield some
