"""What a process hands to image: stores, rules, and what works for it beside its calls."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from threading import get_native_id
from typing import NamedTuple

from cumulet.db import Transaction
from cumulet.engine import Workers
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
class ImageWorkers:
    """What works for image beside its calls.

    - `jobs`: imports, and images that are brought near; they outlive the process.
    - `threads`: hash, write and read image data.
    - `uploads`: wait for `threads`, so that neither many uploads nor a slow store take a thread from other operations.
    - `unsettled`: ends of uploads that could not be written down yet, because the database did not serve.
    """

    jobs: Workers = field(default_factory=Workers)
    threads: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(16, "image-data", initializer=_stand_back)
    )
    uploads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(64, "image-upload"))
    unsettled: SimpleQueue[Callable[[Transaction], None]] = field(default_factory=SimpleQueue)


class Sealing(NamedTuple):
    """How a secret is kept in a row. `opened` raises ValueError when the key is no longer there."""

    sealed: Callable[[str], str]
    opened: Callable[[str], str]


def _of_this_process() -> Sealing:
    """A key that ends with the process: what it sealed cannot be opened by the next one."""
    from cryptography.fernet import Fernet, InvalidToken  # imported here: a controller has identity's keys

    box = Fernet(Fernet.generate_key())

    def opened(text: str) -> str:
        try:
            return box.decrypt(text.encode()).decode()
        except InvalidToken:
            raise ValueError("sealed by another process") from None

    return Sealing(lambda secret: box.encrypt(secret.encode()).decode(), opened)


@dataclass
class ImageContext:
    """Where the bytes lie, and what bounds them.

    `folder` is the store that needs no declaration (`declared` may put others beside it): one file per image, named
    by its id. Beside it are the folders of staged and of cached bytes. All belong to the API's user (0700). `rules` say
    what imports may fetch, `endpoint` where a region's image service is (region, interface); `sealing` is for the
    tokens of imports from other regions. `cache_bytes` is how large the cache may be.

    `cloud` gives the cloud's id for the marks of the stores' folders (None: there are none), `unclaimed` says that they
    are not written yet, and `shared` that all declared folders are other clouds' as well. `estranged` says why these
    rows may not be those of what lies here (empty: they are); then no file is moved or removed that a row does not
    name. `lost_days`: for how long lost files are kept. `problems` are what the start found, in sentences.
    """

    folder: Path
    declared: Stores | None = None
    limits: Limits = unlimited
    protections: Protections = field(default_factory=Protections)
    rules: Rules = field(default_factory=Rules)
    endpoint: Callable[[Transaction, str, str], str | None] = lambda _tx, _region, _interface: None
    sealing: Sealing = field(default_factory=_of_this_process, repr=False)
    workers: ImageWorkers = field(default_factory=ImageWorkers, repr=False)
    cache_bytes: int = 10 << 30
    cloud: Callable[[Transaction], str] | None = None
    unclaimed: bool = False
    shared: bool = False
    estranged: Callable[[], str] = str
    lost_days: int = 7
    problems: list[str] = field(default_factory=list)

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
