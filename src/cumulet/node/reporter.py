"""Delivers reports in order, many in one request, again until the controller has them."""

from __future__ import annotations

import logging
import threading

from cumulet.desired.items import Report, Reports
from cumulet.desired.kinds import Kind
from cumulet.desired.questions import JobDone
from cumulet.node.link import Link, LinkError

log = logging.getLogger("cumulet.node")

_BATCH = 500


class Reporter:
    """A thread's worth of reporting. Only the newest report about an item waits: older ones have lost anyway."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._condition = threading.Condition()
        self._waiting: dict[tuple[Kind, str], Report] = {}
        self._answers: list[JobDone] = []
        self._stopped = False

    def put(self, report: Report) -> None:
        """Deliver `report` soon."""
        with self._condition:
            self._waiting.pop((report.kind, report.ref), None)
            self._waiting[report.kind, report.ref] = report
            self._condition.notify()

    def put_answer(self, answer: JobDone) -> None:
        """Deliver the answer to a job soon."""
        with self._condition:
            self._answers.append(answer)
            self._condition.notify()

    def stop(self) -> None:
        """End `run`; what is not delivered is reported anew after the next start."""
        with self._condition:
            self._stopped = True
            self._condition.notify()

    def run(self) -> None:
        """The body of the thread."""
        pause = 0.1
        while True:
            batch = self._take()
            if batch is None:
                return
            try:
                self._link.report(batch)
                pause = 0.1
            except LinkError as error:
                log.warning("reporting: %s", error)
                if error.status in (0, 401, 503) or error.status >= 500:
                    self._put_back(batch)
                    with self._condition:
                        self._condition.wait_for(lambda: self._stopped, pause)
                    pause = min(5.0, pause * 2)

    def _take(self) -> Reports | None:
        with self._condition:
            self._condition.wait_for(lambda: self._stopped or self._waiting or self._answers)
            if self._stopped:
                return None
            keys = list(self._waiting)[:_BATCH]
            reports = [self._waiting.pop(key) for key in keys]
            answers, self._answers = self._answers, []
            return Reports(reports=reports, jobs=answers)

    def _put_back(self, batch: Reports) -> None:
        with self._condition:
            kept = {(report.kind, report.ref): report for report in batch.reports}
            self._waiting = {**kept, **self._waiting}
            self._answers = batch.jobs + self._answers
