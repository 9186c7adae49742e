"""The controller's one-shot questions, answered on threads of their own.

Only what this cloud wants here is spoken of. A question is answered once, however often it comes meanwhile.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import msgspec

from cumulet.desired import simulation
from cumulet.desired.questions import Job, JobDone
from cumulet.node import checks
from cumulet.node.parts import PartError, Parts, Scripted, World
from cumulet.node.reporter import Reporter
from cumulet.node.work import WorkQueue

log = logging.getLogger("cumulet.node")

THREADS = 4
MOST_WAITING = 256
"""Questions that wait for an answer at a time: who asks is a tenant, and there are many."""


class Questions:
    """Questions to the hosts of one agent. `world` is what is wanted there; `ordered` is called after an order about a
    simulation was carried out, before its answer."""

    def __init__(
        self, parts: Parts, reporter: Reporter, world: World, ordered: Callable[[simulation.Order], None]
    ) -> None:
        self._parts, self._reporter, self._world, self._ordered = parts, reporter, world, ordered
        self.queue: WorkQueue[str] = WorkQueue(self._answer, THREADS, "job")
        self._lock = threading.Lock()
        self._asked: dict[str, Job] = {}

    def ask(self, job: Job) -> None:
        """Queue a question; one that comes when too many wait is answered at once."""
        with self._lock:
            busy = len(self._asked) >= MOST_WAITING
            if not busy:
                self._asked[job.id] = job
        if busy:
            self._reporter.put_answer(JobDone(id=job.id, ok=False, result="The host is busy; ask again."))
        else:
            self.queue.put(job.id)

    def _answer(self, job_id: str) -> None:
        with self._lock:
            job = self._asked.pop(job_id, None)
        if job is None:  # the same question again, while it was answered
            return
        try:
            done = self.answered(job)
        except Exception as error:
            log.warning("job %s failed: %s", job.kind, error)
            message = str(error) if isinstance(error, PartError) else "The host could not answer."
            done = JobDone(id=job.id, ok=False, result=message)
        self._reporter.put_answer(done)

    def answered(self, job: Job) -> JobDone:
        """The answer. Raises PartError for what is not here or cannot be answered, and ValueError for no question."""
        if job.kind == "simulate":
            return self._simulated(job)
        guest, length = checks.job(job)
        if self._world.spec("guest", guest) is None:
            raise PartError("The host has no such server.")
        return self._parts.answer(msgspec.structs.replace(job, args={"guest": guest, "length": length}))

    def _simulated(self, job: Job) -> JobDone:
        """Simulated hosts do as they are told from now on; a host that went or came is known when this returns."""
        if not isinstance(self._parts, Scripted):
            raise PartError("This host is real: nothing here is simulated.")
        try:
            order = simulation.order(job.args)
            shown = self._parts.simulate(order, self._world)
        except simulation.SimulationError as error:
            return JobDone(id=job.id, ok=False, result=str(error))
        self._ordered(order)
        return JobDone(id=job.id, ok=True, result=msgspec.json.encode(shown).decode())
