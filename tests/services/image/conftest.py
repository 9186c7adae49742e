"""The image service over HTTP, on a real server, with tokens that name their caller."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from cumulet.db import select_as
from cumulet.engine import jobs
from cumulet.engine.jobs import Job
from cumulet.engine.tables import JobRow
from cumulet.services.image import door
from cumulet.services.image.api import load
from cumulet.services.image.context import ImageContext
from cumulet.services.image.loops import maintain_once
from tests.services.serving import BEHIND, Running, running


@dataclass
class Images:
    """A running image service. `demo` and `other` are members of two projects, `admin` is admin."""

    running: Running
    context: ImageContext
    looker: threading.Thread

    def client(self, token: str) -> httpx.Client:
        return self.running.client(token)

    def files(self) -> list[str]:
        return sorted(path.name for path in self.context.folder.iterdir() if path.is_file())

    def look_after(self) -> None:
        """Do now what a thread does every few seconds."""
        maintain_once(self.running.db, self.context)

    def jobs(self) -> list[Job]:
        """Work with I/O that has not ended."""
        with self.running.db.read() as tx:
            return [jobs.job_of(row) for row in tx.rows(select_as(JobRow)) if row.ended_at is None]

    def kill(self) -> None:
        """From now on this process neither begins a job nor says that it lives. What is under way goes on."""
        self.context.workers.jobs.stopping.set()
        self.context.workers.jobs.poke()
        self.looker.join(10)
        self.context.workers.jobs.stopping.clear()

    def staged(self) -> list[str]:
        return sorted(path.name for path in self.context.staging.folder.iterdir())


@contextmanager
def served(context: ImageContext, database: Path) -> Iterator[Images]:
    """The image service with what works beside its calls, until the block ends."""
    with running(load(), context, database) as serving:
        door.register(context)
        workers = context.workers.jobs
        runner = threading.Thread(target=workers.run, args=(serving.db,), daemon=True, name=BEHIND)
        runner.start()
        ended = threading.Event()
        tender = threading.Thread(target=door.maintain, args=(serving.db, context, ended), daemon=True, name=BEHIND)
        tender.start()
        try:
            yield Images(serving, context, runner)
        finally:
            workers.stop()
            ended.set()
            runner.join(10)
            tender.join(10)


@pytest.fixture
def glance(tmp_path: Path) -> Iterator[Images]:
    with served(ImageContext(tmp_path / "images"), tmp_path / "state.db") as found:
        yield found


@pytest.fixture
def demo(glance: Images) -> Iterator[httpx.Client]:
    with glance.client("demo") as client:
        yield client


@pytest.fixture
def other(glance: Images) -> Iterator[httpx.Client]:
    with glance.client("other") as client:
        yield client


@pytest.fixture
def admin(glance: Images) -> Iterator[httpx.Client]:
    with glance.client("admin") as client:
        yield client


OCTETS = {"Content-Type": "application/octet-stream"}
RAW = {"name": "r", "disk_format": "raw", "container_format": "bare"}


def made(client: httpx.Client, **values: Any) -> dict[str, Any]:
    """A new image record."""
    answer = client.post("/v2/images", json={**RAW, **values})
    assert answer.status_code == 201, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


def until(condition: Callable[[], Any], seconds: float = 20) -> Any:
    """Wait until `condition` gives something true, and return that."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)
    return found


def ended(client: httpx.Client, image_id: str, count: int = 1) -> dict[str, Any]:
    """The newest of the image's `count` tasks, when it has ended."""

    def newest() -> dict[str, Any] | None:
        tasks = client.get(f"/v2/images/{image_id}/tasks").json()["tasks"]
        done = len(tasks) == count and tasks[0]["status"] in ("success", "failure")
        return dict(tasks[0]) if done else None

    found: dict[str, Any] = until(newest)
    return found
