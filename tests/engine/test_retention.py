"""What is deleted goes after its time, with all that only it had, and in steps that leave room for others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from cumulet.cli import status
from cumulet.db import Database, Transaction, now_us
from cumulet.db.schema import prepare
from cumulet.engine import timeline
from cumulet.engine.retention import DAY_US, FEWEST, Forgets, Retention, _next
from cumulet.engine.tables import timeline as events
from cumulet.services.compute import door as compute
from cumulet.services.compute.tables import actions, server_tags, servers
from cumulet.services.image import door as image
from cumulet.services.image.tables import images
from tests.databases import KINDS, place
from tests.db.shapes import declare_everything

FORGETS = {
    "servers": Forgets(compute.forget, compute.kept),
    "images": Forgets(image.forget, image.kept),
    "timelines": Forgets(timeline.forget, timeline.kept),
}
DAYS = {"old": 91, "young": 89, "alive": None}


@pytest.fixture(params=KINDS)
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    declare_everything()
    made = Database(place(tmp_path / "db.sqlite", request.param), durable=False)
    prepare(made)
    yield made
    made.close()


def live_and_die(db: Database, number: int, days: int | None) -> None:
    """A server and an image of that long ago (None: alive), with what belongs to them."""
    server, image = f"server-{number}", f"image-{number}"
    at = None if days is None else now_us() - days * DAY_US
    plain = {"vcpus": 1, "ram": 1, "flavor": {}, "flavor_id": "1", "meta": {}, "personality": []}
    row = {"project_id": "p", "user_id": "u", "name": "n", "hostname": "n", "reservation_id": "r", "seed": "s", **plain}
    states = {"vm_state": "deleted" if at else "active", "created_at": 1, "updated_at": 1, "deleted_at": at}
    action = {"action": "create", "request_id": "r", "event": "e", "started_at": 1, "updated_at": 1}
    shown = {"visibility": "private", "status": "deleted" if at else "active", "min_disk": 0, "min_ram": 0}
    shown |= {"protected": False, "os_hidden": False, "properties": {}, "created_at": 1, "updated_at": 1}  # type: ignore[dict-item]
    with db.transaction() as tx:
        tx.insert(servers, {"id": server, **row, **states})
        tx.insert(server_tags, {"server_id": server, "tag": "t"})
        tx.insert(actions, [{"server_id": server, **action} for _ in range(2)])
        tx.insert(images, {"id": image, **shown, "deleted_at": at})
        timeline.record(tx, server, "active", "It runs.")
        if at is not None:
            timeline.record(tx, server, timeline.DELETED, "It is deleted.")
            tx.update(events, events.c.subject == server, at=at)


def left(db: Database) -> dict[str, int]:
    with db.read() as tx:
        every = (servers, server_tags, actions, images, events)
        return {table.name: tx.scalar(select(func.count()).select_from(table)) for table in every}


def populated(db: Database) -> None:
    for number in range(4):
        live_and_die(db, number, 91 + number)
    live_and_die(db, 10, 89)
    live_and_die(db, 20, None)


def test_only_what_is_long_dead_goes(db: Database) -> None:
    populated(db)
    retention = Retention(db, 90, FORGETS, batch=3)
    gone = retention.sweep(threading.Event())
    assert gone == {"servers": 4, "images": 4, "timelines": 4}
    assert left(db) == {
        "compute_servers": 2,
        "compute_server_tags": 2,
        "compute_actions": 4,
        "image_images": 2,
        "engine_timeline": 3,
    }
    shown = retention.facts()["deleted"]
    assert (shown["keep_days"], shown["kept"]["servers"]["rows"]) == (90, 1)
    assert shown["kept"]["servers"]["oldest"].startswith("20")
    assert retention.sweep(threading.Event()) == {"servers": 0, "images": 0, "timelines": 0}
    (line, _) = status._deleted_lines(shown)
    assert line == "Deleted, with rows that are kept for 90 days: 1 servers, 1 images, 1 timelines"


def test_nothing_goes_with_0_days(db: Database) -> None:
    populated(db)
    before = left(db)
    retention = Retention(db, 0, FORGETS)
    assert set(retention.sweep(threading.Event()).values()) == {0}
    assert left(db) == before
    assert retention.facts()["deleted"]["kept"]["servers"]["rows"] == 5


def test_a_step_takes_as_much_as_there_is_time_for() -> None:
    assert _next(100, 0.1) == 50
    assert _next(FEWEST, 0.1) == FEWEST
    assert _next(100, 0.001) == 125
    assert _next(100, 0.010) == 100


def test_others_write_between_the_steps(db: Database) -> None:
    """However much there is to forget, a writer gets its turn after each step."""
    steps = 30

    def some(tx: object, _before: int, most: int) -> int:
        nonlocal steps
        time.sleep(0.005)
        steps -= 1
        return most if steps else 0

    slow = {"things": Forgets(some, lambda _: (0, None))}
    running = threading.Thread(target=Retention(db, 90, slow).sweep, args=(threading.Event(),))
    running.start()
    writes = 0
    while running.is_alive():
        with db.transaction():
            writes += 1
        time.sleep(0.002)
    running.join()
    assert writes >= 30, "fewer writes than steps"


def test_the_loop_ends_and_survives_a_database_that_is_away(db: Database) -> None:
    ended, tries = threading.Event(), threading.Semaphore(0)

    def fails(*_: object) -> int:
        tries.release()
        raise OSError("away")

    retention = Retention(db, 90, {"things": Forgets(fails, lambda _: (0, None))})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cumulet.engine.retention.FIRST_AFTER_S", 0.01)
        patch.setattr("cumulet.engine.retention.EVERY_S", 0.01)
        thread = threading.Thread(target=retention.run, args=(ended,))
        thread.start()
        assert tries.acquire(timeout=10)
        assert tries.acquire(timeout=10)
        ended.set()
        thread.join(10)
    assert not thread.is_alive()


def test_one_with_very_many_events_goes_in_small_steps_too(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenant who reboots one server all day long must not have everybody wait when its rows go."""
    for number in range(3):
        live_and_die(db, number, 91 + number)
    with db.read() as tx:
        subject = tx.scalar(select(servers.c.id))
    event = {"subject": subject, "at": 1, "event": "rebooted", "message": "", "detail": {}, "request_id": ""}
    action = {"server_id": subject, "action": "reboot", "request_id": "", "event": "", "started_at": 1, "updated_at": 1}
    with db.transaction() as tx:
        tx.insert(events, [event] * 1000)
        tx.insert(actions, [action] * 1000)
    monkeypatch.setattr("cumulet.engine.retention._next", lambda asked, _took: asked)
    sizes: list[int] = []

    def rows(tx: Transaction) -> int:
        return sum(int(tx.scalar(select(func.count()).select_from(table))) for table in (events, actions))

    def counted(some: Callable[[Transaction, int, int], int]) -> Callable[[Transaction, int, int], int]:
        def step(tx: Transaction, before: int, most: int) -> int:
            was, result = rows(tx), some(tx, before, most)
            sizes.append(was - rows(tx))
            return result

        return step

    watched = {name: Forgets(counted(each.some), each.count) for name, each in FORGETS.items()}
    gone = Retention(db, 90, watched, batch=5).sweep(threading.Event())
    assert gone == {"servers": 3, "images": 3, "timelines": 3}
    assert left(db)["engine_timeline"] == left(db)["compute_actions"] == 0
    assert max(sizes) < 150 and len(sizes) > 20, sizes
