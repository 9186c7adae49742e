"""Imports whose process dies, ends or fails at each step: the next one goes on, and nothing is left."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from cumulet.engine.tables import jobs as engine_jobs
from cumulet.services.image.flows import imports as flow
from cumulet.services.image.loops import recover_uploads
from cumulet.services.image.model import locations
from cumulet.services.image.model.object_upload import ObjectUpload
from cumulet.services.image.model.stores import StoreAway
from cumulet.services.image.tables import images as table
from tests.services.image.conftest import Images, ended, made, served, until
from tests.services.image.imports.importing import DATA, active, ask, context_of, nothing, staged
from tests.services.image.webserver import Page, Web


class Killed(BaseException):
    """The process ends here: nothing that it would still do happens."""


def _at_first(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, *, after: bool) -> list[int]:
    """The process dies before (or after) its first call of that function; the calls of it."""
    real, calls = getattr(owner, name), list[int]()

    def dying(*given: Any, **named: Any) -> Any:
        calls.append(1)
        if len(calls) > 1:
            return real(*given, **named)
        if after:
            real(*given, **named)
        raise Killed

    monkeypatch.setattr(owner, name, dying)
    return calls


PLACES = [
    (flow, "fetch", False),
    (flow, "fetch", True),
    (ObjectUpload, "put", True),
    (ObjectUpload, "finish", False),
    (ObjectUpload, "finish", True),
    (locations, "claim", True),
    (flow.Import, "_adopt", True),
    (flow.Import, "_to_store", True),
    (flow.Import, "_finish", False),
    (flow.Import, "_finish", True),
]


@pytest.mark.parametrize(
    ("method", "owner", "name", "after"),
    [("web-download", *place) for place in PLACES]
    + [("glance-direct", *place) for place in PLACES if place[1] != "fetch"],
)
def test_the_process_dies_during_the_import(
    tmp_path: Path,
    web: Web,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    owner: Any,
    name: str,
    after: bool,
) -> None:
    """The next process finds what is there, and ends the import; then nothing is left but the image."""
    with served(context_of(tmp_path, web), tmp_path / "state.db") as first, first.client("demo") as client:
        image_id = (staged if method == "glance-direct" else made)(client)["id"]
        calls = _at_first(monkeypatch, owner, name, after=after)
        first.kill()  # whatever is due after the death is the next process's
        answer = ask(client, image_id, method, {"uri": f"{web.url}/disk.raw"}, stores=["file", "moody"])
        assert answer.status_code == 202
        first.context.workers.jobs.look(first.running.db)
        until(lambda: calls)
    with served(context_of(tmp_path, web), tmp_path / "state.db") as second, second.client("demo") as client:
        recover_uploads(second.running.db, second.context)
        assert ended(client, image_id)["status"] == "success"
        active(second, client, image_id, "file,moody")
        assert second.jobs() == []


@pytest.mark.parametrize(
    ("method", "owner", "name", "after"),
    [("web-download", *place) for place in PLACES if place[1] != "_finish"]
    + [("glance-direct", *place) for place in PLACES if place[1] not in ("fetch", "_finish")],
)
@pytest.mark.parametrize("fault", [OSError(28, "No space left on device"), OSError(5, "I/O error"), StoreAway("away")])
def test_a_step_fails(
    glance: Images,
    demo: httpx.Client,
    web: Web,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    owner: Any,
    name: str,
    after: bool,
    fault: Exception,
) -> None:
    """Wherever it fails, the image waits for bytes again, nothing is left, and the next import succeeds."""
    image_id = (staged if method == "glance-direct" else made)(demo)["id"]
    real = getattr(owner, name)

    def failing(*given: Any, **named: Any) -> Any:
        if after:
            real(*given, **named)
        raise fault

    uri = {"uri": f"{web.url}/disk.raw"}
    with monkeypatch.context() as patched:
        patched.setattr(owner, name, failing)
        assert ask(demo, image_id, method, uri, all_stores=True).status_code == 202
        task = ended(demo, image_id)
    assert task["status"] == "failure" and task["message"]
    nothing(glance, demo, image_id, "file,moody")
    assert ask(demo, image_id, "web-download", uri, all_stores=True).status_code == 202
    assert ended(demo, image_id, 2)["status"] == "success"
    active(glance, demo, image_id, "file,moody")


def test_a_process_that_starts_goes_on_at_once(tmp_path: Path, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not wait until the dead worker's lease is over, which is longer than this test waits."""
    with served(context_of(tmp_path, web), tmp_path / "state.db") as first, first.client("demo") as client:
        image_id = staged(client)["id"]
        first.kill()
        calls = _at_first(monkeypatch, ObjectUpload, "finish", after=True)
        assert ask(client, image_id, "glance-direct").status_code == 202
        first.context.workers.jobs.look(first.running.db)
        until(lambda: calls)
    with served(context_of(tmp_path, web), tmp_path / "state.db") as second, second.client("demo") as client:
        recover_uploads(second.running.db, second.context)
        assert ended(client, image_id)["status"] == "success"
        active(second, client, image_id)


def test_a_process_that_ends_does_not_wait_for_imports(tmp_path: Path, web: Web) -> None:
    """They stop at the next block, and the next process fetches anew."""
    with served(context_of(tmp_path, web), tmp_path / "state.db") as first, first.client("demo") as client:
        image_id = made(client)["id"]
        web.pages["/slow"] = Page(DATA)
        assert ask(client, image_id, "web-download", {"uri": f"{web.url}/slow"}).status_code == 202
        until(web.asked)
        first.context.workers.jobs.stopping.set()
        web.wait.set()
        until(lambda: not first.staged())
        shown = client.get(f"/v2/images/{image_id}").json()
        assert shown["status"] == "importing" and shown["os_glance_import_task"]
    with served(context_of(tmp_path, web), tmp_path / "state.db") as second, second.client("demo") as client:
        recover_uploads(second.running.db, second.context)
        assert ended(client, image_id)["status"] == "success"
        active(second, client, image_id)


def test_an_import_that_wears_out_every_process(tmp_path: Path, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    def dying(*_: Any) -> None:
        raise Killed

    monkeypatch.setattr(flow.Import, "_fetch", dying)
    with served(context_of(tmp_path, web), tmp_path / "state.db") as glance, glance.client("demo") as client:
        image_id = made(client)["id"]
        assert ask(client, image_id, "web-download", {"uri": f"{web.url}/disk.raw"}).status_code == 202
        task = ended(client, image_id)
        assert task["status"] == "failure" and "begun several times" in task["message"]
        nothing(glance, client, image_id)


def test_an_import_that_takes_too_long(glance: Images, demo: httpx.Client, web: Web) -> None:
    """At the deadline it is given up; the worker that comes back has lost."""
    image_id = made(demo)["id"]
    web.pages["/slow"] = Page(DATA)
    assert ask(demo, image_id, "web-download", {"uri": f"{web.url}/slow"}).status_code == 202
    until(web.asked)
    with glance.running.db.transaction() as tx:
        tx.update(engine_jobs, engine_jobs.c.subject == image_id, deadline_at=tx.now)
    glance.context.workers.jobs.poke()
    assert ended(demo, image_id)["message"] == "The import took too long."
    web.wait.set()
    nothing(glance, demo, image_id)
    with glance.running.db.read() as tx:
        assert tx.scalar(table.select().with_only_columns(table.c.import_task)) is None


def test_each_step_twice(glance: Images, demo: httpx.Client) -> None:
    """Whoever looks as often as it likes: one worker does the work, once."""
    image_id = staged(demo)["id"]
    assert ask(demo, image_id, "glance-direct", all_stores=True).status_code == 202
    for _ in range(3):
        glance.context.workers.jobs.poke()
        time.sleep(0.01)
    assert ended(demo, image_id)["status"] == "success"
    active(glance, demo, image_id, "file,moody")
