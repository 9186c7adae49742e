"""Reconcilers of image. They take no arguments but where the state is."""

from __future__ import annotations

import logging
import time
from threading import Event

from cumulet.db import Database
from cumulet.services.image.context import ImageContext
from cumulet.services.image.model import cache, locations, metadef_seeds, recovery, tasks

log = logging.getLogger("cumulet.image")

PAUSE_S = 5.0
SWEEP_S = 3600.0
"""Between two looks at lost files; the first is as long after the start, so that the clock has been set by then."""


def recover_uploads(db: Database, context: ImageContext) -> None:
    """When the controller starts: nothing that a dead upload left stays, and files that no row names are set aside.
    Safe beside what runs. Raises MarkError for a folder that is another cloud's."""
    recovery.claim(db, context)
    for what in recovery.recover(db, context):
        log.warning("image: %s", what)
    for problem in context.problems:
        log.error("image: %s", problem)


def load_default_metadefs(db: Database) -> None:
    """When the controller starts: a fresh cloud has metadata definitions to begin with."""
    with db.transaction() as tx:
        metadef_seeds.sow(tx)


def maintain(db: Database, context: ImageContext, ended: Event) -> None:
    """Erase objects that belong to no image, see that what is queued has a job, forget old tasks; the body of a
    thread."""
    swept = time.monotonic()
    while not ended.wait(PAUSE_S):
        try:
            maintain_once(db, context)
            if time.monotonic() > swept + SWEEP_S and not recovery.expire(context):
                swept = time.monotonic()
        except Exception:
            log.exception("looking after images failed, and is tried again")


def maintain_once(db: Database, context: ImageContext) -> None:
    """One round."""
    recovery.settle(db, context)
    recovery.take_over(db, context)
    while not context.estranged() and locations.erase_due(db, context.stores):
        pass
    with db.read() as tx:
        missing = cache.resume(tx, context)
    with db.transaction() as tx:
        if missing:
            cache.resume(tx, context)
        tasks.forget_expired(tx)
