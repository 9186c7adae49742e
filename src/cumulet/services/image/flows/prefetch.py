"""The work of bringing an image near: copy its bytes into the cache, and make room there.

A store that is away is asked again, with growing pauses; bytes that are not the image's end the job, which is kept for
a while, so that nobody fetches them again and again.
"""

from __future__ import annotations

from functools import partial

from cumulet.db import Transaction
from cumulet.engine import Failed, Kind, Run
from cumulet.engine.jobs import Job
from cumulet.services.image.context import ImageContext
from cumulet.services.image.model import cache

PAUSE_S = 60.0
"""How long an image rests at first whose store was away."""
BAD_S = 600.0
"""For how long nobody's request brings an image near whose bytes were not its own."""


def register(context: ImageContext) -> None:
    """Make the work known, before anything is queued. One image at a time: they share a line to the stores."""
    kind = Kind(cache.KIND, partial(_work, context), partial(_failed, context), pause_s=PAUSE_S, keep_s=BAD_S)
    context.workers.jobs.register(kind)


def _work(context: ImageContext, run: Run) -> None:
    cache.fill(run, context)
    cache.prune(run.db, context, keep=run.job.subject)


def _failed(context: ImageContext, tx: Transaction, job: Job, _why: Failed) -> None:
    cache.drop(tx, context, job.subject)
