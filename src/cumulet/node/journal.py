"""The node's own memory of desired state, so that a host works on when the controller is away.

One small file per item, replaced atomically. What it says may be old, never torn; the controller's next full
answer puts it right.
"""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec

from cumulet.desired import texts
from cumulet.desired.shapes import Item

log = logging.getLogger("cumulet.node")


class Journal:
    """Items under `folder`; without a folder nothing is kept (simulated hosts)."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def load(self) -> list[Item]:
        """Everything that was kept; a file that cannot be read is dropped with a word in the log."""
        if self._folder is None:
            return []
        items = []
        for path in sorted(self._folder.glob("*.json")):
            try:
                items.append(msgspec.json.decode(path.read_bytes(), type=Item))
            except (msgspec.MsgspecError, OSError) as error:
                log.warning("journal: dropped %s: %s", path.name, error)
                path.unlink(missing_ok=True)
        return items

    def keep(self, item: Item) -> None:
        """Keep the newest of an item."""
        if self._folder is None:
            return
        path = self._path(item)
        fresh = path.with_suffix(".new")
        fresh.write_bytes(msgspec.json.encode(item))
        fresh.replace(path)

    def drop(self, item: Item) -> None:
        """Forget an item."""
        if self._folder is not None:
            self._path(item).unlink(missing_ok=True)

    def _path(self, item: Item) -> Path:
        if self._folder is None:
            raise ValueError("a journal that keeps nothing has no files")
        return self._folder / f"{item.kind}.{texts.uuid(item.ref)}.json"
