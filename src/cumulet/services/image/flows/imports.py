"""The flow of an import: fetch to the staging folder, then screen and store, once per store.

The flow's one step starts a worker on a thread, and looks after it: the worker says from time to time that it lives,
and when it has been silent for longer than a lease, because its process died, the step starts another, which goes on
from what it finds. A worker that comes back from the dead finds another task's id on the image, or none, and stops.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from cumulet.db import Database, Transaction
from cumulet.engine import Engine
from cumulet.engine.flows import Done, Flow, Outcome, Wait
from cumulet.http.faults import Fault
from cumulet.services.image.context import ImageContext
from cumulet.services.image.model import content, imports, locations, quota, remote, tasks
from cumulet.services.image.model.fetching import Failed, Fetched, Refused, fetch
from cumulet.services.image.model.stores import BytesMissing, ImageStore, Reading, StoreFault
from cumulet.services.image.model.upload import BLOCK, HASH, Stored, Upload
from cumulet.services.image.states import ACTIVE, IMPORTING
from cumulet.services.image.tables import ImageRow, images

log = logging.getLogger("cumulet.image")

LEASE_S = 30.0
MOST_TRIES = 5
"""How many workers an import may wear out: each but the first is because a process died, or was wrong."""


class Stop(Exception):
    """The import cannot succeed; the text says why, for the image's owner."""


class Lost(Exception):
    """The image is gone, or is another import's by now."""


class Ending(Exception):
    """The process is about to end; the next one goes on."""


def register(engine: Engine, context: ImageContext, db: Database) -> None:
    """Make imports known to the engine, before anything starts one."""
    workers = Workers(engine, context, db)
    context.engine = engine
    engine.register(imports.KIND, {"work": workers.step}, workers.deadline)


class Workers:
    """The threads that import, at most four images at a time."""

    def __init__(self, engine: Engine, context: ImageContext, db: Database) -> None:
        self.engine, self.context, self.db = engine, context, db
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="image-import")
        self._lock = threading.Lock()
        self._busy: set[str] = set()

    def step(self, tx: Transaction, flow: Flow) -> Outcome:
        """See that somebody works at it."""
        task_id = flow.state["task"]
        if imports.current(tx, flow.subject, task_id) is None:
            tasks.fail(tx, task_id, "The image was deleted during the import.")
            return Done()
        with self._lock:
            if task_id in self._busy:
                return Wait(LEASE_S)
        flow.state["tries"] += 1
        if flow.state["tries"] > MOST_TRIES:
            why = "The import was begun several times, and each time the service ended before it was done."
            imports.fail(tx, self.context, flow.subject, flow.state, why)
            return Done()
        tasks.begin(tx, task_id)
        tx.on_commit(lambda: self._submit(flow.subject, dict(flow.state)))
        return Wait(LEASE_S)

    def deadline(self, tx: Transaction, flow: Flow) -> None:
        """The import took a day: it is given up."""
        imports.fail(tx, self.context, flow.subject, flow.state, "The import took too long.")

    def _submit(self, image_id: str, state: dict[str, Any]) -> None:
        with self._lock:
            if state["task"] in self._busy:
                return
            self._busy.add(state["task"])
        self._threads.submit(self._run, image_id, state)

    def _run(self, image_id: str, state: dict[str, Any]) -> None:
        try:
            work = Registration if state["method"]["name"] == imports.LOCATION else Import
            work(self, image_id, state).run()
        except Exception:
            log.exception("import to image %s went wrong, and is tried again", image_id)
        finally:
            with self._lock:
                self._busy.discard(state["task"])


class Import:
    """One worker's go at one import."""

    def __init__(self, workers: Workers, image_id: str, state: dict[str, Any]) -> None:
        self.context, self.db, self.engine = workers.context, workers.db, workers.engine
        self.image_id, self.state, self.task_id = image_id, state, str(state["task"])
        self.method: dict[str, Any] = state["method"]
        self._renewed = time.monotonic()

    def run(self) -> None:
        """Do what is left to do."""
        try:
            self._work()
        except Ending:
            log.info("import to image %s stops here, as the service ends, and goes on when it starts", self.image_id)
        except Lost:
            self._end(lambda tx: tasks.fail(tx, self.task_id, "The image was deleted during the import."))
        except (Stop, Fault, StoreFault, Failed, Refused, OSError) as error:
            why = _in_words(error)
            log.info("import to image %s failed: %s", self.image_id, why)
            self._end(lambda tx: imports.fail(tx, self.context, self.image_id, self.state, why))

    def _work(self) -> None:
        self._fetch()
        for name in self.state["stores"]:
            self._to_store(name)
        self._finish()

    def _end(self, conclude: Callable[[Transaction], object]) -> None:
        with self.db.transaction() as tx:
            conclude(tx)
            self.engine.cancel(tx, imports.KIND, self.image_id)
        self.context.tokens.pop(self.task_id, None)

    @contextmanager
    def _held(self) -> Iterator[tuple[Transaction, ImageRow]]:
        """A transaction in which the image is this import's. Raises Lost."""
        with self.db.transaction() as tx:
            row = imports.current(tx, self.image_id, self.task_id)
            if row is None:
                raise Lost
            yield tx, row

    def _renew(self) -> None:
        """Say that this worker lives. Raises Lost when nobody wants it to, and Ending."""
        if self.context.ending.is_set():
            raise Ending
        if time.monotonic() < self._renewed + LEASE_S / 3:
            return
        self._renewed = time.monotonic()
        with self._held() as (tx, _):
            self.engine.advance(tx, imports.KIND, self.image_id)

    # ---- to the staging folder ------------------------------------------------------------------------------

    def _fetch(self) -> None:
        """The bytes have their name in the staging folder when this returns."""
        name = self.method["name"]
        if (self.context.staging.folder / self.image_id).exists():
            return
        if name == imports.DIRECT:
            raise Stop("The staged data of the image is not there.")
        if name == imports.COPY:
            self._stage(_read_on(self._nearest()))
            return
        answer = self._remote() if name == imports.REMOTE else fetch(self.method["uri"], self.context.rules)
        try:
            self._stage(lambda: answer.read(BLOCK))
        finally:
            answer.close()

    def _nearest(self) -> Reading:
        with self.db.read() as tx:
            places = locations.best(tx, self.context.stores, self.image_id)
        for place in places:
            store = self.context.stores.find(place.store)
            if store is None:
                continue
            try:
                return store.open(place.url)
            except BytesMissing:
                continue
        raise Stop("Image not found in any configured store")

    def _remote(self) -> Fetched:
        """The bytes of another region's image, whose description becomes this one's."""
        token = self.context.tokens.get(self.task_id)
        if token is None:
            raise Stop("The service started anew, and does not keep the token that the other region asks for.")
        with self.db.read() as tx:
            base = self.context.endpoint(
                tx, self.method["glance_region"], self.method.get("glance_service_interface") or "public"
            )
        if base is None:
            raise Stop(f"There is no image service in region {self.method['glance_region']}.")
        rules = remote.rules(self.context.rules, base)
        url = f"{remote.root(base)}/v2/images/{self.method['glance_image_id']}"
        described = fetch(url, rules, {"X-Auth-Token": token, "Accept": "application/json"})
        try:
            found = remote.described(json.loads(described.read(1 << 20)))
        except ValueError as error:
            raise Stop(f"The other region's image cannot be imported: {error}") from None
        finally:
            described.close()
        with self._held() as (tx, row):
            remote.take(tx, row, found)
        return fetch(f"{url}/file", rules, {"X-Auth-Token": token})

    def _stage(self, read: Callable[[], bytes]) -> None:
        staging = self.context.staging
        with self._upload(staging, hashed=False) as upload:
            while piece := read():
                upload.put(piece, self.context.threads)
                self._renew()
            upload.finish()
            with self._held() as (tx, row):
                size = upload.size // quota.MIB
                deltas = {quota.SIZE: size * len(self.state["stores"]), quota.STAGED: size}
                quota.require(tx, self.context, row.owner, **deltas)
            upload.over = True

    @contextmanager
    def _upload(self, store: ImageStore, *, hashed: bool = True) -> Iterator[Upload]:
        """An upload of which nothing stays unless it is `over`."""
        upload = Upload(store, self.image_id, self.context.staging, hashed=hashed)
        try:
            try:
                yield upload
            except Exception:
                if not upload.over:
                    upload.discard()
                raise
        finally:
            upload.close()

    # ---- to the stores --------------------------------------------------------------------------------------

    def _to_store(self, name: str) -> None:
        """The bytes are in that store when this returns, or it is noted that they are not."""
        with self._held() as (tx, row):
            if any(place.store == name for place in locations.of(tx, self.image_id)):
                return
            if name in (row.failed_import or "").split(","):
                return
        try:
            store = self.context.stores.get(name)
            self._store_into(store)
        except (StoreFault, OSError) as error:
            if self.state["must"]:
                raise Stop(f"Store {name} did not take the image: {_in_words(error)}") from None
            log.warning("import to image %s: store %s failed: %s", self.image_id, name, error)
            with self._held() as (tx, row):
                imports.store_failed(tx, row, name)

    def _store_into(self, store: ImageStore) -> None:
        source = self.context.staging.open(self.image_id)
        try:
            with self._upload(store) as upload:
                with self._held() as (tx, row):
                    locations.claim(tx, store, upload.writing.url)
                    upload.screen(row.disk_format, row.container_format)
                read = _read_on(source, close=False)
                while piece := read():
                    upload.put(piece, self.context.threads)
                    content.renew(self.db, upload)
                    self._renew()
                stored = upload.finish()
                with self._held() as (tx, row):
                    self._adopt(tx, row, upload, stored)
                upload.over = True
        finally:
            source.close()

    def _adopt(self, tx: Transaction, row: ImageRow, upload: Upload, stored: Stored) -> None:
        wrong_hash = row.os_hash_algo == HASH and row.os_hash_value != stored.os_hash_value
        if wrong_hash or row.checksum not in (None, stored.checksum):
            raise Stop("The bytes are not those that the image's hashes speak of.")
        if not locations.adopt(tx, self.image_id, upload.store, upload.writing.url):
            raise Stop(f"Store {upload.store.id} was too slow.")
        values: dict[str, Any] = {} if row.os_hash_value is not None else content.described(stored)
        ready = not self.state["must"] or upload.store.id == self.state["stores"][-1]
        if row.status == IMPORTING and ready:
            values["status"] = ACTIVE
        imports.store_done(tx, row, upload.store.id, values)

    def _finish(self) -> None:
        with self._held() as (tx, row):
            failed = (row.failed_import or "").split(",")
            if row.status == IMPORTING or all(name in failed for name in self.state["stores"]):
                raise Stop("None of the uploads finished!")
            imports.succeed(tx, self.context, row, self.task_id)
            self.engine.cancel(tx, imports.KIND, self.image_id)
        self.context.tokens.pop(self.task_id, None)


class Registration(Import):
    """One worker's go at a location that somebody added: its bytes are hashed where they are, and the image is active
    when they are what they are said to be.

    Their format is not judged here, as in Glance; a node gets them only after they were screened on their way into the
    cache, and an import that copies them screens them as well.
    """

    def _work(self) -> None:
        url, algorithm = self.method["uri"], self.method["algorithm"]
        store = self.context.stores.get(self.method["store"])
        with self._held() as (tx, row):
            if not locations.of(tx, self.image_id):
                locations.add(tx, self.image_id, store.id, url)
        reading = store.open(url)
        try:
            facts = self._hashed(_read_on(reading, close=False), algorithm)
        finally:
            reading.close()
        if self.method["expected"] not in (None, facts["os_hash_value"]):
            raise Stop(
                f"os_hash_value: ({self.method['expected']}) not matched with actual os_hash_value: "
                f"({facts['os_hash_value']})"
            )
        with self._held() as (tx, row):
            tx.update(images, images.c.id == self.image_id, **facts, status=ACTIVE)
            imports.succeed(tx, self.context, row, self.task_id)
            self.engine.cancel(tx, imports.KIND, self.image_id)

    def _hashed(self, read: Callable[[], bytes], algorithm: str) -> dict[str, Any]:
        """Columns of the image that its bytes decide. Raises StoreFault."""
        digests = [hashlib.md5(usedforsecurity=False), hashlib.new(algorithm, usedforsecurity=False)]
        size = 0
        while piece := read():
            for digest in digests:
                digest.update(piece)
            size += len(piece)
            self._renew()
        return {
            "size": size,
            "checksum": digests[0].hexdigest(),
            "os_hash_algo": algorithm,
            "os_hash_value": digests[1].hexdigest(),
        }


def _read_on(reading: Reading, *, close: bool = True) -> Callable[[], bytes]:
    """The reading's bytes, block after block; it is closed at the end."""
    position = 0

    def read() -> bytes:
        nonlocal position
        piece = reading.read(BLOCK, position)
        position += len(piece)
        if not piece and close:
            reading.close()
        return piece

    return read


def _in_words(error: Exception) -> str:
    if isinstance(error, Refused):
        return f"The URI may not be fetched: {error}."
    if isinstance(error, Fault):
        return error.message
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return str(error)


__all__ = ["Ending", "Import", "Lost", "Registration", "Stop", "Workers", "register"]
