"""Reconcilers of image. They take no arguments but where the state is."""

from __future__ import annotations

import logging
import time
from queue import Empty
from threading import Event

from cumulet.db import Database
from cumulet.services.image.context import ImageContext
from cumulet.services.image.model import cache, imports, locations, metadef_seeds, recovery, tasks

log = logging.getLogger("cumulet.image")

PAUSE_S = 5.0
SWEEP_S = 3600.0
"""Between two looks at lost files; the first is as long after the start, so that the clock has been set by then."""
AGAIN_S = 60.0
"""How long an image rests in the queue whose store was away."""


def recover_uploads(db: Database, context: ImageContext) -> None:
    """When the controller starts: nothing that a dead upload left stays, files that no row names are set aside, and
    imports go on. Safe beside what runs. Raises MarkError for a folder that is another cloud's."""
    recovery.claim(db, context)
    for what in recovery.recover(db, context):
        log.warning("image: %s", what)
    for problem in context.problems:
        log.error("image: %s", problem)
    with db.transaction() as tx:
        imports.resume(tx, context)


def load_default_metadefs(db: Database) -> None:
    """When the controller starts: a fresh cloud has metadata definitions to begin with."""
    with db.transaction() as tx:
        metadef_seeds.sow(tx)


def maintain(db: Database, context: ImageContext, ended: Event) -> None:
    """Erase objects that belong to no image, bring near what is queued, forget old tasks; the body of a thread."""
    resting: dict[str, float] = {}
    swept = time.monotonic()
    while not ended.is_set():
        try:
            image_id = context.prefetch_queue.get(timeout=PAUSE_S)
        except Empty:
            image_id = None
        try:
            if image_id:
                cache.grant(db, context, image_id)
            tend_once(db, context, resting)
            if time.monotonic() > swept + SWEEP_S and not recovery.expire(context):
                swept = time.monotonic()
        except Exception:
            log.exception("looking after images failed, and is tried again")
            ended.wait(PAUSE_S)


def tend_once(db: Database, context: ImageContext, resting: dict[str, float]) -> None:
    """One round. `resting` are queued images whose store was away, and until when they rest."""
    recovery.settle(db, context)
    recovery.take_over(db, context)
    while not context.estranged() and locations.erase_due(db, context.stores):
        pass
    for image_id in cache.queued(db):
        if time.monotonic() < resting.get(image_id, 0.0):
            continue
        if cache.fill(db, context, image_id):
            resting.pop(image_id, None)
            cache.prune(db, context, keep=image_id)
        else:
            resting[image_id] = time.monotonic() + AGAIN_S
    with db.transaction() as tx:
        tasks.forget_expired(tx)
