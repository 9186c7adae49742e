"""What a process hands to image: stores, rules, threads and what is under way."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from threading import Event, get_native_id

from cumulet.db import Transaction
from cumulet.engine import Engine
from cumulet.services.image.model.fetching import Rules
from cumulet.services.image.model.protections import Protections
from cumulet.services.image.model.quota import Limits, unlimited
from cumulet.services.image.model.stores import Stores
from cumulet.services.image.model.stores.file import FileStore


def _stand_back() -> None:
    """This thread, which hashes and copies for seconds, lets those pass that answer in a millisecond."""
    thread = get_native_id()
    os.setpriority(os.PRIO_PROCESS, thread, min(19, os.getpriority(os.PRIO_PROCESS, thread) + 10))


@dataclass
class ImageContext:
    """Where the bytes lie, and what bounds them.

    `folder` is the store that needs no declaration (`declared` may put others beside it): one file per image, named
    by its id. Beside it are the folders of staged and of cached bytes. All belong to the API's user (0700). `threads`
    hash, write and read image data, those of `uploads` wait for them, so that neither many uploads nor a store that is
    slow take a thread from other operations. `rules` say what imports may fetch, `endpoint` where a region's image
    service is (region, interface). `tokens` are those of imports from other regions that run, by task: they are kept
    nowhere else. `prefetch_queue` are images that somebody wants to have near (an empty one only wakes who reads them),
    `bad_until` those whose bytes were not theirs, and until when wishes for them are not heard; `cache_bytes` is how
    large the cache may be. `ending` is set when the process is about to end: imports stop where they are, and go on in
    the next one.

    `cloud` gives the cloud's id for the marks of the stores' folders (None: there are none), `unclaimed` says that they
    are not written yet, and `shared` that all declared folders are other clouds' as well. `estranged` says why these
    rows may not be those of what lies here (empty: they are); then no file is moved or removed that a row does not
    name. `lost_days`: for how long lost files are kept. `problems` are what the start found, in sentences. `unsettled`
    are uploads whose end could not be written down yet.
    """

    folder: Path
    declared: Stores | None = None
    limits: Limits = unlimited
    protections: Protections = field(default_factory=Protections)
    rules: Rules = field(default_factory=Rules)
    endpoint: Callable[[Transaction, str, str], str | None] = lambda _tx, _region, _interface: None
    engine: Engine | None = None
    tokens: dict[str, str] = field(default_factory=dict, repr=False)
    cache_bytes: int = 10 << 30
    cloud: Callable[[Transaction], str] | None = None
    unclaimed: bool = False
    shared: bool = False
    estranged: Callable[[], str] = str
    lost_days: int = 7
    problems: list[str] = field(default_factory=list)
    unsettled: SimpleQueue[Callable[[Transaction], None]] = field(default_factory=SimpleQueue, repr=False)
    bad_until: dict[str, float] = field(default_factory=dict, repr=False)
    ending: Event = field(default_factory=Event, repr=False)
    prefetch_queue: SimpleQueue[str] = field(default_factory=SimpleQueue, repr=False)
    threads: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(16, "image-data", initializer=_stand_back), repr=False
    )
    uploads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(64, "image-upload"), repr=False)

    def __post_init__(self) -> None:
        self.stores = self.declared or Stores([FileStore("file", self.folder)], "file")
        self.staging = FileStore("staging", self.folder.with_name(f"{self.folder.name}-staging"))
        self.caching = FileStore("cache", self.folder.with_name(f"{self.folder.name}-cache"))

    @property
    def folders(self) -> list[FileStore]:
        """The stores that are folders of this machine."""
        return [store for store in self.stores if isinstance(store, FileStore)]

    def path(self, image_id: str) -> Path:
        """The file of an image's bytes in the store that needs no declaration."""
        return self.folder / image_id
