"""The contract of a store of image bytes.

An object's URL is what its row keeps: the name of a file or the key of a bucket's object, relative to the store, so
that folders and buckets may move; a whole URL in a store of other people's web servers.

Every method may wait for a disk or a network: it runs on a thread and never inside a transaction. An object is
written once, under a URL of its own, and is there as a whole or not at all.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class StoreFault(Exception):
    """A store did not do what it was asked to. The text names no secret."""


class BytesMissing(StoreFault):
    """The store has no object under that URL."""


class StoreAway(StoreFault):
    """The store does not answer, or not as agreed; later it may."""


class StoreFull(StoreFault):
    """The store has no room."""


class ReadOnly(StoreFault):
    """The store takes no bytes."""


class Writing(ABC):
    """One object on its way into a store. Used by one thread at a time; `discard` and `close` are safe at any point
    and more than once."""

    url: str
    """Where the object will be."""

    @abstractmethod
    def write(self, block: bytes | bytearray) -> None:
        """The next bytes. Raises StoreFault and OSError."""

    def flush(self) -> None:  # noqa: B027 - most stores have nothing to do
        """Bring what was written nearer to the disk; may run beside `write`."""

    @abstractmethod
    def finish(self) -> None:
        """All bytes came: the object is there and survives power loss. Raises StoreFault and OSError."""

    @abstractmethod
    def discard(self) -> None:
        """Nothing of the object stays, even after `finish`."""

    @abstractmethod
    def close(self) -> None:
        """Let go of what the writing holds."""


class Reading(ABC):
    """An object that is open for reading."""

    size: int | None
    """Bytes, where the store says so."""

    @abstractmethod
    def read(self, count: int, at: int) -> bytes:
        """At most `count` bytes from offset `at`; empty only at the end. May be called from several threads.
        Raises StoreFault and OSError."""

    @abstractmethod
    def close(self) -> None:
        """Let go of it."""


class ImageStore(ABC):
    """A store under the name (`id`) that clients and the operator use."""

    kind: str
    read_only = False
    claims = True
    """Whether what is being written must be noted in the database first, so that it can be erased when the process
    dies: a store on a local disk recognises its own leftovers."""

    def __init__(self, id: str, *, description: str = "", weight: int = 0) -> None:
        self.id = id
        self.description = description
        self.weight = weight

    @abstractmethod
    def create(self, image_id: str, upload_id: str) -> Writing:
        """Begin an object. Raises StoreFault and OSError."""

    @abstractmethod
    def open(self, url: str) -> Reading:
        """An object to read. Raises BytesMissing, StoreAway and OSError."""

    @abstractmethod
    def erase(self, url: str) -> None:
        """Remove an object and what an unfinished writing of it left; nothing when there is none. Raises StoreFault
        and OSError."""

    @abstractmethod
    def owns(self, url: str) -> bool:
        """Whether the URL is one that this store may be asked for. Opens nothing."""

    def local_path(self, url: str) -> Path | None:
        """The file of the object, when it lies on this machine's disk."""
        return None

    def properties(self) -> Mapping[str, Any]:
        """What an operator may see of the store's settings. No secrets."""
        return {}
