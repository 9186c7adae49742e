"""What a backup has of a cloud: its rows, its secrets, what an operator wrote, journals, and images if they are wanted.

It only reads, also while the cloud runs: rows are of one moment, files as they are when their turn comes.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from cumulet import __version__, files
from cumulet.cli.backups import owners
from cumulet.cli.backups.objects import Objects
from cumulet.cli.backups.records import Bytes, Elsewhere, End, FileEnd, FileStart, Head, Reader, packed
from cumulet.cli.errors import CliError
from cumulet.cli.state_folder import FOLDERS
from cumulet.config import ConfigError, Settings
from cumulet.db import Database, copies, now_us
from cumulet.db.copies import Form, Rows

NEVER = frozenset(
    ("run", "log", "cache", "shown", "db", "images", "images-staging", "images-cache", "node", "snapshots")
)
"""Folders of a state folder that are made again, or have a rule of their own."""
NEVER_FILES = re.compile(
    r"\..*|[^/]*-openrc|clouds\.yaml|made-user|(.*/)?\.[^/]*|secrets/(database_url|cloud|(fernet|receipt)-keys/.*)"
)
"""Files that `up` writes anew; those that say where a cloud is and not what it is; and the keys of tokens: what was
revoked after a backup would be good again."""
NOT_SAVED = re.compile(r"audit|db\..*")
"""Folders that are left out, but taken from a backup that has them: the audit log, which only grows and goes its own
way, and a database that was set aside."""
NODE = re.compile(r"(journal|world)/[^/]+\.json|[a-z_-]+\.json")
IMAGE = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}")
OWN_STORE = "file"
"""The store in ``images``."""
MOST_BYTES = 64 << 20
"""A larger file is none of ours."""


@dataclass
class Wanted:
    """What shall be in the backup, and what came of it. `active`: the stores of images that have bytes, and `saved`:
    whose bytes were; `controller`: uid and gid of the user whom the controller runs as."""

    secrets: bool = True
    inside: bool = False
    objects: Objects | None = None
    left_out: list[str] = field(default_factory=list)
    files: int = 0
    images: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    copied: int = 0
    active: dict[str, str] = field(default_factory=dict)
    saved: set[str] = field(default_factory=set)
    controller: tuple[int, int] = (-1, -1)

    @property
    def with_images(self) -> bool:
        return self.inside or self.objects is not None

    def elsewhere(self) -> tuple[int, list[str]]:
        """How many images have their bytes in other stores only, and the names of these."""
        far = [stores for image, stores in self.active.items() if image not in self.saved and not _own(stores)]
        return len(far), sorted({name for stores in far for name in stores.split(",") if name})

    @property
    def images_word(self) -> str:
        return self.objects.name if self.objects else "inside" if self.inside else "left out"


def written(settings: Settings, wanted: Wanted) -> Iterator[bytes]:
    """The records of a backup, written down. Raises CliError."""
    found = settings.secrets_dir.stat()
    wanted.controller = found.st_uid, found.st_gid
    known = Hashes(settings.cache_dir / "image-hashes.json")
    yield from _rows(settings, wanted)
    for top in sorted(settings.state.iterdir()):
        if top.name in NEVER or top.is_symlink() or NEVER_FILES.fullmatch(top.name) or NOT_SAVED.fullmatch(top.name):
            continue
        if top.name == "secrets" and not wanted.secrets:
            continue
        if top.is_dir():
            yield from _files(top, wanted, known)
    yield from _files(settings.state, wanted, known, only_top=True)
    yield from _files(settings.node_dir, wanted, known, pattern=NODE)
    for name, fd in owners.files(settings.images_dir):
        if IMAGE.fullmatch(name):
            yield from _image(f"images/{name}", fd, wanted, known)
    known.keep()
    _miss(wanted)
    end = End(tables=wanted.rows, files=wanted.files, images=wanted.images, left_out=wanted.left_out)
    yield packed(end)


def _rows(settings: Settings, wanted: Wanted) -> Iterator[bytes]:
    """The head and the rows, read by their owner; what goes by is counted on the way."""
    try:
        where = settings.database
    except ConfigError as error:
        raise CliError(str(error)) from None
    if isinstance(where, Path) and not where.exists():
        raise CliError(f"{where} is not there: this cloud has lost its rows. Restore a backup: cumulet restore FILE")
    db = Database(where)  # opens nothing yet, but what it needs is imported now: later this process may not see it
    head = {
        "version": __version__,
        "made_at": now_us(),
        "database": "sqlite" if isinstance(where, Path) else "postgresql",
        "state": str(settings.state),
        "node": settings.node_name,
        "simulated": settings.simulated is not None,
        "secrets": wanted.secrets,
        "images": wanted.images_word,
    }
    place = where.parent if isinstance(where, Path) else settings.secrets_dir
    yield from _counted(owners.as_owner(place, lambda: read_rows(db, head)), wanted)


def read_rows(db: Database, head: dict[str, Any]) -> Iterator[bytes]:
    """`head` with the schema's revision, and all rows as of one moment."""
    try:
        with db.read() as tx:
            copies.check(tx)
            schema = copies.revision(tx)
            if schema is None:
                raise CliError("the database has no tables: this cloud has not started yet")
            yield packed(Head(schema=schema, **head))
            for piece in copies.pieces(tx):
                yield packed(piece)
    except copies.CopyError as error:
        raise CliError(f"{error}. The backup was not made") from None
    except Exception as error:
        if isinstance(error, CliError):
            raise
        damaged = "is damaged or " if db.alone else ""
        raise CliError(f"the database {damaged}cannot be read: {getattr(error, 'orig', error)}") from None
    finally:
        db.close()


def _counted(stream: Iterator[bytes], wanted: Wanted) -> Iterator[bytes]:
    """The stream, and its rows counted in `wanted`: so a process that ended too early is seen at the end."""
    reader, form = Reader(), Form("", ())
    for data in stream:
        yield data
        for record in reader.feed(data):
            if isinstance(record, Form):
                form = record
                wanted.rows[form.name] = 0
            elif isinstance(record, Rows):
                wanted.rows[form.name] += len(record.rows)
                if form.name == "image_images":
                    _note(form, record, wanted)


def _note(form: Form, rows: Rows, wanted: Wanted) -> None:
    """Which images have bytes, and in which stores. An older schema may say less."""
    for row in rows.rows:
        image = dict(zip(form.columns, row, strict=True))
        if image.get("status") == "active" and image.get("deleted_at") is None:
            wanted.active[image["id"]] = image.get("stores") or OWN_STORE


def _own(stores: str) -> bool:
    return OWN_STORE in stores.split(",")


def _miss(wanted: Wanted) -> None:
    """Images that should have been in the store in ``images``, and are not."""
    gone = [image for image, stores in wanted.active.items() if image not in wanted.saved and _own(stores)]
    if gone and wanted.with_images:
        names = ", ".join(sorted(gone)[:3]) + (" and others" if len(gone) > 3 else "")
        wanted.left_out.append(f"the bytes of {len(gone)} images are not in the folder of images ({names})")


def _files(
    folder: Path,
    wanted: Wanted,
    known: Hashes,
    *,
    only_top: bool = False,
    pattern: re.Pattern[str] | None = None,
) -> Iterator[bytes]:
    """The files below a folder of the state folder; in one that an image store has, images."""
    prefix = "" if only_top else f"{folder.name}/"
    others: list[str] = []
    uids = wanted.controller[0], os.geteuid()
    for name, fd in owners.files(folder, uids, others) if not only_top else owners.top(folder, uids, others):
        path = prefix + name
        if NEVER_FILES.fullmatch(path) or (pattern is not None and not pattern.fullmatch(name)) or _lost(path):
            continue
        if path == "node/link.json" and not wanted.secrets:
            continue
        if is_image(path):
            yield from _image(path, fd, wanted, known)
        elif os.fstat(fd).st_size > MOST_BYTES:
            wanted.left_out.append(f"{path} is larger than {MOST_BYTES >> 20} MiB and was left out")
        else:
            yield from _file(path, fd, wanted, folder.parent if not only_top else folder)
    paths = [prefix + name for name in others if pattern is None or pattern.fullmatch(name)]
    wanted.left_out += [
        f"{path} is another user's than its folder"
        for path in paths
        if not (NEVER_FILES.fullmatch(path) or _lost(path))
    ]


def _file(path: str, fd: int, wanted: Wanted, state: Path | None = None) -> Iterator[bytes]:
    found = os.fstat(fd)
    is_open = state is not None and _open(path, found, state)
    yield packed(FileStart(path, found.st_size, is_open, _reader(path, found, wanted)))
    sum_ = hashlib.sha256()
    while data := os.read(fd, owners.PIECE):
        sum_.update(data)
        yield packed(Bytes(data))
    yield packed(FileEnd(sum_.hexdigest()))
    wanted.files += 1


def _open(path: str, found: os.stat_result, state: Path) -> bool:
    """Whether everybody who may enter the state folder may read the file."""
    folders = list(Path(path).parents)[:-1]
    modes = [(state / folder).lstat().st_mode for folder in folders]
    return bool(found.st_mode & 0o004) and all(mode & 0o001 for mode in modes)


def _reader(path: str, found: os.stat_result, wanted: Wanted) -> str:
    """As what the controller's user reads a file of the operator's: ``owner``, ``group``, or as anybody (empty)."""
    uid, gid = wanted.controller
    if path.partition("/")[0] in FOLDERS or uid == os.geteuid():
        return ""
    if found.st_uid == uid:
        return "owner"
    return "group" if found.st_gid == gid and found.st_mode & 0o040 else ""


def _image(path: str, fd: int, wanted: Wanted, known: Hashes) -> Iterator[bytes]:
    """An image's file of a store in the state folder: inside, or as an object elsewhere."""
    if not wanted.with_images:
        return
    wanted.images += 1
    wanted.saved.add(path.rpartition("/")[2])
    if wanted.objects is None:
        yield from _file(path, fd, wanted)
        wanted.files -= 1
        return
    sha256 = known.of(path, fd)
    wanted.copied += wanted.objects.put(sha256, fd)
    yield packed(Elsewhere(path, os.fstat(fd).st_size, sha256))


def is_image(path: str) -> bool:
    """Whether a path in a state folder is that of an image's file, in ``images`` or in another store's folder."""
    *folders, name = path.split("/")
    return bool(folders) and folders[0] not in ("node", "secrets") and IMAGE.fullmatch(name) is not None


def _lost(path: str) -> bool:
    """Whether a store has set the file aside, as no image has it."""
    return is_image(path) and "lost" in path.split("/")


def may_be(path: str) -> bool:
    """Whether a backup may have a file of this path: what it says is written below a state folder."""
    top, _, rest = path.partition("/")
    if not path or "\0" in path or any(part in ("", ".", "..") for part in path.split("/")):
        return False
    if top == "node":
        return NODE.fullmatch(rest) is not None
    if top == "images":
        return IMAGE.fullmatch(rest) is not None
    return top not in NEVER and not NEVER_FILES.fullmatch(path)


class Hashes:
    """SHA-256 of files that do not change: asked once, then remembered by size, place on the disk and time."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._new: dict[str, list[Any]] = {}
        try:
            self._known: dict[str, list[Any]] = dict(msgspec.json.decode(file.read_bytes()))
        except (OSError, ValueError, TypeError):
            self._known = {}

    def of(self, name: str, fd: int) -> str:
        """The hash of an open file."""
        found = os.fstat(fd)
        mark = [found.st_size, found.st_ino, found.st_mtime_ns]
        last = self._known.get(name)
        if isinstance(last, list) and last[:3] == mark and len(last) == 4:
            sha256 = str(last[3])
        else:
            with os.fdopen(os.dup(fd), "rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            os.lseek(fd, 0, os.SEEK_SET)
        self._new[name] = [*mark, sha256]
        return sha256

    def keep(self) -> None:
        """Remember them; a folder that cannot be written is no reason to fail."""
        with suppress(OSError):
            files.put(self._file, msgspec.json.encode(self._new))
