"""The node's own memory: what was wanted here, by whose word, and the newest that it has seen of its cloud.

One small file per item under ``journal``, replaced atomically, and ``cloud.json`` beside that folder. What they say may
be old, never torn; a file that cannot be read is set aside under ``journal/damaged``, never dropped. It is what a node
works by while its controller is away or has lost its memory, and what a cloud is made of again (``docs/recovery.md``).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from pathlib import Path

import msgspec

from cumulet import files
from cumulet.desired import texts
from cumulet.desired.clouds import Cloud, Seen
from cumulet.desired.items import Item

log = logging.getLogger("cumulet.node")


class Entry(Item):
    """An item, and who wanted it: the cloud, its epoch, and the run of its controller. A file of before says no more
    than the item; its epoch is 0, older than any."""

    cloud_id: str = ""
    epoch: int = 0
    run: str = ""

    @property
    def age(self) -> tuple[int, int]:
        """What is larger is newer."""
        return self.epoch, self.revision


def entry(item: Item, cloud: Cloud | None) -> Entry:
    """The item as this cloud wants it."""
    if isinstance(item, Entry):
        return item
    made = Entry(
        host=item.host, kind=item.kind, ref=item.ref, revision=item.revision, gone=item.gone,
        format=item.format, spec=item.spec, deferred=item.deferred,
    )  # fmt: skip
    if cloud is not None:
        made.cloud_id, made.epoch, made.run = cloud.id, cloud.epoch, cloud.run
    return made


class Journal:
    """Items under `folder`, and `seen`; without a folder nothing outlives the process. `disputed`: why it is not known
    whose memory this is; then no controller's word can be taken."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._cloud = None if folder is None else folder.parent / "cloud.json"
        self._lock = threading.Lock()
        self.seen: Seen | None = None
        self.disputed: str | None = None
        self._found: list[Entry] = []
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            files.remove_drafts(folder)
            self._found = self._read(folder)
            self.seen = self._newest(self._read_cloud(), self._found)
            self.disputed = self._dispute(self._found)

    def load(self) -> list[Entry]:
        """Everything that was kept when this was made, once."""
        found, self._found = self._found, []
        return found

    def _read(self, folder: Path) -> list[Entry]:
        """All that there is; a file that cannot be read is set aside with a word in the log."""
        found = []
        for path in sorted(folder.glob("*.json")):
            try:
                found.append(msgspec.json.decode(path.read_bytes(), type=Entry))
            except (msgspec.MsgspecError, UnicodeDecodeError, OSError) as error:
                log.error("journal: %s cannot be read and is set aside: %s", path.name, error)
                self._set_aside(path)
        return found

    def keep(self, item: Item) -> None:
        """Keep the newest of an item."""
        if self._folder is None:
            return
        files.put(self._path(item), msgspec.json.encode(item))

    def drop(self, item: Item) -> None:
        """Forget an item."""
        if self._folder is not None:
            self._path(item).unlink(missing_ok=True)

    def saw(self, cloud: Cloud, revision: int) -> None:
        """The cloud has told everything up to `revision`."""
        with self._lock:
            was = self.seen
            fresh = Seen(cloud_id=cloud.id, epoch=cloud.epoch, revision=revision, run=cloud.run)
            same = was is not None and was.cloud_id == cloud.id
            if was is not None and same and (fresh == was or (cloud.epoch, revision) < (was.epoch, was.revision)):
                return
            self.seen = fresh
            if self._cloud is not None:
                files.put(self._cloud, msgspec.json.encode(fresh))

    # ---- files -----------------------------------------------------------------------------------------------------

    def _read_cloud(self) -> Seen | None:
        if self._cloud is None or not self._cloud.exists():
            return None
        try:
            return msgspec.json.decode(self._cloud.read_bytes(), type=Seen)
        except (msgspec.MsgspecError, UnicodeDecodeError, OSError) as error:
            log.error("%s cannot be read and is set aside: %s", self._cloud, error)
            self._set_aside(self._cloud)
            return None

    def _dispute(self, entries: Iterable[Entry]) -> str | None:
        """Why the file and the items cannot both be this node's, when they are of two clouds."""
        whose = {each.cloud_id for each in entries if each.cloud_id}
        if self.seen is None or not whose or self.seen.cloud_id in whose:
            return None
        return (
            f"This node's own files are of two clouds, cloud.json of {self.seen.cloud_id} and the journal of "
            f"{min(whose)}: put the right one back, or move the wrong one away and restart."
        )

    @staticmethod
    def _newest(seen: Seen | None, entries: Iterable[Entry]) -> Seen | None:
        """What was seen, by the file and by the items: either may be lost, or older than the other."""
        for each in entries:
            mine = each.cloud_id and (seen is None or each.cloud_id == seen.cloud_id)
            if mine and (seen is None or each.age > (seen.epoch, seen.revision)):
                seen = Seen(cloud_id=each.cloud_id, epoch=each.epoch, revision=each.revision, run=each.run)
        return seen

    def _set_aside(self, path: Path) -> None:
        if self._folder is None:
            return
        aside = self._folder / "damaged"
        try:
            aside.mkdir(exist_ok=True, mode=0o700)
            path.replace(aside / path.name)
        except OSError as error:
            log.error("%s cannot be set aside: %s", path, error)

    def _path(self, item: Item) -> Path:
        if self._folder is None:
            raise ValueError("a journal that keeps nothing has no files")
        return self._folder / f"{item.kind}.{texts.uuid(item.ref)}.json"
