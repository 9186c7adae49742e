"""The work of an import: fetch to the staging folder, then screen and store, once per store.

It is a job (`cumulet.engine.workers`): when the process that works at it dies, another goes on from what it finds. A
worker that comes back from the dead has lost the job, or finds another task's id on the image, or none, and stops.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from cumulet.db import Transaction
from cumulet.engine import Failed, Kind, Late, Run, WornOut
from cumulet.engine.jobs import Job
from cumulet.http.faults import Fault
from cumulet.services.image.context import ImageContext
from cumulet.services.image.model import content, fetching, imports, locations, quota, remote, tasks
from cumulet.services.image.model.fetching import Fetched, Refused, fetch
from cumulet.services.image.model.object_upload import BLOCK, HASH, ObjectUpload, Stored
from cumulet.services.image.model.stores import BytesMissing, ImageStore, Reading, StoreFault
from cumulet.services.image.states import ACTIVE, IMPORTING
from cumulet.services.image.tables import ImageRow, images

log = logging.getLogger("cumulet.image")

THREADS = 4
"""How many images are imported at a time."""
MOST_TRIES = 5
"""How often an import is begun: each time but the first is because a process died, or was wrong."""


def register(context: ImageContext) -> None:
    """Make imports known, before anything starts one."""
    context.workers.jobs.register(
        Kind(imports.KIND, partial(_work, context), partial(_failed, context), threads=THREADS, most_tries=MOST_TRIES)
    )


def _work(context: ImageContext, run: Run) -> None:
    work = Registration if run.job.given["method"]["name"] == imports.LOCATION else Import
    work(context, run).work()


def _failed(context: ImageContext, tx: Transaction, job: Job, why: Failed) -> None:
    words = str(why)
    if isinstance(why, Late):
        words = "The import took too long."
    elif isinstance(why, WornOut):
        words = "The import was begun several times, and each time the service ended before it was done."
    log.info("import to image %s failed: %s", job.subject, words)
    imports.fail(tx, context, job.subject, job.given, words)


class Import:
    """One worker's go at one import."""

    def __init__(self, context: ImageContext, run: Run) -> None:
        self.context, self.run, self.db = context, run, run.db
        self.image_id, self.state, self.task_id = run.job.subject, run.job.given, str(run.job.given["task"])
        self.method: dict[str, Any] = self.state["method"]

    def work(self) -> None:
        """Do what is left to do. Raises Failed, Lost and Stopping."""
        try:
            with self._held() as (tx, _):
                tasks.begin(tx, self.task_id)
            self._steps()
        except (Fault, StoreFault, fetching.Failed, Refused, OSError) as error:
            raise Failed(_in_words(error)) from error

    def _steps(self) -> None:
        self._fetch()
        for name in self.state["stores"]:
            self._to_store(name)
        self._finish()

    @contextmanager
    def _held(self) -> Iterator[tuple[Transaction, ImageRow]]:
        """A transaction in which the image is this import's. Raises Lost and Failed."""
        with self.run.held() as tx:
            yield tx, self._image(tx)

    def _image(self, tx: Transaction) -> ImageRow:
        row = imports.current(tx, self.image_id, self.task_id)
        if row is None:
            raise Failed("The image was deleted during the import.")
        return row

    # ---- to the staging folder ------------------------------------------------------------------------------

    def _fetch(self) -> None:
        """The bytes have their name in the staging folder when this returns."""
        name = self.method["name"]
        if (self.context.staging.folder / self.image_id).exists():
            return
        if name == imports.DIRECT:
            raise Failed("The staged data of the image is not there.")
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
        raise Failed("Image not found in any configured store")

    def _remote(self) -> Fetched:
        """The bytes of another region's image, whose description becomes this one's."""
        try:
            token = self.context.sealing.opened(self.state.get("token", ""))
        except ValueError:
            raise Failed("The token that the other region asks for can no longer be read.") from None
        with self.db.read() as tx:
            base = self.context.endpoint(
                tx, self.method["glance_region"], self.method.get("glance_service_interface") or "public"
            )
        if base is None:
            raise Failed(f"There is no image service in region {self.method['glance_region']}.")
        rules = remote.rules(self.context.rules, base)
        url = f"{remote.root(base)}/v2/images/{self.method['glance_image_id']}"
        described = fetch(url, rules, {"X-Auth-Token": token, "Accept": "application/json"})
        try:
            found = remote.described(json.loads(described.read(1 << 20)))
        except ValueError as error:
            raise Failed(f"The other region's image cannot be imported: {error}") from None
        finally:
            described.close()
        with self._held() as (tx, row):
            remote.take(tx, row, found)
        return fetch(f"{url}/file", rules, {"X-Auth-Token": token})

    def _stage(self, read: Callable[[], bytes]) -> None:
        staging = self.context.staging
        with self._upload(staging, hashed=False) as upload:
            while piece := read():
                upload.put(piece, self.context.workers.threads)
                self.run.tell(fetched=upload.size)
                self.run.alive()
            upload.finish()
            with self._held() as (tx, row):
                size = upload.size // quota.MIB
                deltas = {quota.SIZE: size * len(self.state["stores"]), quota.STAGED: size}
                quota.require(tx, self.context, row.owner, **deltas)
            upload.over = True

    @contextmanager
    def _upload(self, store: ImageStore, *, hashed: bool = True) -> Iterator[ObjectUpload]:
        """An upload of which nothing stays unless it is `over`."""
        upload = ObjectUpload(store, self.image_id, self.context.staging, hashed=hashed)
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
                raise Failed(f"Store {name} did not take the image: {_in_words(error)}") from None
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
                    upload.put(piece, self.context.workers.threads)
                    content.renew(self.db, upload)
                    self.run.tell(store=store.id, stored=upload.size)
                    self.run.alive()
                stored = upload.finish()
                with self._held() as (tx, row):
                    self._adopt(tx, row, upload, stored)
                upload.over = True
        finally:
            source.close()

    def _adopt(self, tx: Transaction, row: ImageRow, upload: ObjectUpload, stored: Stored) -> None:
        wrong_hash = row.os_hash_algo == HASH and row.os_hash_value != stored.os_hash_value
        if wrong_hash or row.checksum not in (None, stored.checksum):
            raise Failed("The bytes are not those that the image's hashes speak of.")
        if not locations.adopt(tx, self.image_id, upload.store, upload.writing.url):
            raise Failed(f"Store {upload.store.id} was too slow.")
        values: dict[str, Any] = {} if row.os_hash_value is not None else content.described(stored)
        ready = not self.state["must"] or upload.store.id == self.state["stores"][-1]
        if row.status == IMPORTING and ready:
            values["status"] = ACTIVE
        imports.store_done(tx, row, upload.store.id, values)

    def _finish(self) -> None:
        with self.run.ending() as tx:
            row = self._image(tx)
            failed = (row.failed_import or "").split(",")
            if row.status == IMPORTING or all(name in failed for name in self.state["stores"]):
                raise Failed("None of the uploads finished!")
            imports.succeed(tx, self.context, row, self.task_id)


class Registration(Import):
    """One worker's go at a location that somebody added: its bytes are hashed where they are, and the image is active
    when they are what they are said to be.

    Their format is not judged here, as in Glance; a node gets them only after they were screened on their way into the
    cache, and an import that copies them screens them as well.
    """

    def _steps(self) -> None:
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
            raise Failed(
                f"os_hash_value: ({self.method['expected']}) not matched with actual os_hash_value: "
                f"({facts['os_hash_value']})"
            )
        with self.run.ending() as tx:
            row = self._image(tx)
            tx.update(images, images.c.id == self.image_id, **facts, status=ACTIVE)
            imports.succeed(tx, self.context, row, self.task_id)

    def _hashed(self, read: Callable[[], bytes], algorithm: str) -> dict[str, Any]:
        """Columns of the image that its bytes decide. Raises StoreFault."""
        digests = [hashlib.md5(usedforsecurity=False), hashlib.new(algorithm, usedforsecurity=False)]
        size = 0
        while piece := read():
            for digest in digests:
                digest.update(piece)
            size += len(piece)
            self.run.alive()
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
