"""Whose rows these are: which past is known, what a raised epoch changes, what nodes keep and what is forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from cumulet.db import Database, metadata
from cumulet.desired.clouds import Cloud, Seen
from cumulet.desired.guest import Guest
from cumulet.desired.hosts import HostFacts
from cumulet.desired.items import Item
from cumulet.desired.keeping import Keeping, Kept, Strange
from cumulet.fleet import door
from cumulet.fleet.model import clouds, desired, hosts, joining, keeping, told
from cumulet.fleet.tables import epochs, links
from tests.databases import place

REFS = [f"{number:08x}-0000-4000-8000-000000000000" for number in range(10)]


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    made = Database(place(tmp_path / "db.sqlite"), durable=False)
    with made.engine.connect() as connection:
        metadata.create_all(connection)
    yield made
    made.close()


def start(db: Database) -> Cloud:
    with db.transaction() as tx:
        return clouds.start(tx)[0]


def join(db: Database, name: str = "node") -> str:
    """A node that has seen nothing yet; its link."""
    with db.transaction() as tx:
        token, _ = joining.issue(tx, None)
        shown = joining.Credentials(token=token)
        joiner = joining.known(tx, name, shown)
        assert joiner is not None
        return joining.join(tx, joiner, shown, [HostFacts(hostname=name, vcpus=1, memory_mb=1, disk_gb=1)])[0]


def want(db: Database, link_id: str, ref: str) -> int:
    with db.transaction() as tx:
        return door.publish(tx, link_id=link_id, kind="guest", ref=ref, host="node")


def knows(db: Database, cloud: Cloud, revision: int) -> bool:
    with db.read() as tx:
        found = clouds.current(tx, Seen(cloud_id=cloud.id, epoch=cloud.epoch, revision=revision, run=cloud.run))
    assert found is not None
    return found.knows


def test_a_database_says_whose_it_is_once_a_controller_has_started(db: Database) -> None:
    with db.read() as tx, pytest.raises(LookupError):
        door.cloud(tx)
    with db.transaction() as tx:
        made, fresh = clouds.start(tx)
    assert fresh and made.epoch == 1
    with db.transaction() as tx:
        again, fresh = clouds.start(tx)
    assert not fresh and (again.id, again.epoch) == (made.id, 1) and again.run != made.run
    with db.read() as tx:
        assert door.cloud(tx) == again


def test_the_past_is_known_and_another_past_is_not(db: Database) -> None:
    first = start(db)
    link = join(db)
    newest = want(db, link, REFS[0])
    assert knows(db, first, newest) and not knows(db, first, newest + 1)
    second = start(db)
    later = want(db, link, REFS[1])
    assert knows(db, first, newest) and knows(db, second, later)
    # A copy that has gone its own way passes the numbers that the node has seen, and is found out all the same.
    assert not knows(db, first, later)
    assert not knows(db, Cloud(id=first.id, epoch=1, run="0123456789abcdef"), 1)
    assert not knows(db, Cloud(id=REFS[0], epoch=1, run=first.run), 1)
    assert not knows(db, Cloud(id=first.id, epoch=2, run=second.run), 1)
    assert knows(db, Cloud(id=first.id, epoch=1), later)  # a node that has lost the run: by numbers alone


def test_a_raised_epoch_is_above_what_nodes_have_seen(db: Database) -> None:
    was = start(db)
    link = join(db)
    newest = want(db, link, REFS[0])
    with db.transaction() as tx:
        hosts.seen(tx, link, Seen(cloud_id=was.id, epoch=3, revision=500), "It is older than what this node has seen.")
    with db.transaction() as tx:
        raised = door.raise_epoch(tx, above=2)
    assert (raised.id, raised.epoch) == (was.id, 4)
    assert want(db, link, REFS[1]) > 501
    assert knows(db, was, newest), "an epoch before is the past"
    with db.read() as tx:
        had = clouds.once_had(
            tx,
            [Strange(kind="guest", ref=ref, epoch=1, revision=newest + n, run=was.run) for n, ref in enumerate(REFS)],
        )
        assert [each.ref for each in had] == REFS[:1], "what came after the copy was made is not known to be unwanted"


def test_what_a_copy_never_had_is_not_unwanted_though_its_numbers_are_lower(db: Database) -> None:
    """An older copy comes back, and its controller goes on for a while before an operator says that it is right: the
    revisions of what was made between the two are lower than the copy's own by then."""
    was = start(db)
    link = join(db)
    shared = want(db, link, REFS[0])
    with db.transaction() as tx:
        desired.withdraw(tx, link_id=link, kind="guest", ref=REFS[0])
    lost = shared + 2
    copy = start(db)
    while want(db, link, REFS[1]) < lost + 5:
        pass
    with db.transaction() as tx:
        door.raise_epoch(tx)
    asked = [
        Strange(kind="guest", ref=REFS[2], epoch=1, revision=lost, run=was.run),
        Strange(kind="guest", ref=REFS[3], epoch=1, revision=lost),
        Strange(kind="guest", ref=REFS[4], epoch=1, revision=lost, run="0123456789abcdef"),
        Strange(kind="guest", ref=REFS[0], epoch=1, revision=shared, run=was.run),
        Strange(kind="guest", ref=REFS[0], epoch=1, revision=lost, run=copy.run),
    ]
    with db.read() as tx:
        assert clouds.once_had(tx, asked) == asked[3:]


def test_a_lie_about_numbers_uses_none_up(db: Database) -> None:
    was = start(db)
    link = join(db)
    with db.transaction() as tx:
        hosts.seen(tx, link, Seen(cloud_id=was.id, epoch=2**53, revision=2**53))
        assert door.raise_epoch(tx).epoch == 2
    assert want(db, link, REFS[0]) < 100
    with db.transaction() as tx:
        tx.update(links, links.c.id == link, cloud_id=REFS[0], epoch=50, revision=50)
        assert door.raise_epoch(tx).epoch == 3, "another cloud's numbers are not ours"
    for text in (
        "",
        "x",
        f"{was.id} 1",
        f"{was.id} -1 2",
        f"{was.id} 1 {2**60}",
        f"{was.id} 1 2 RUN",
        f"{was.id} 1 2 a b",
    ):
        with pytest.raises(told.FactsError):
            told.seen(text)
    assert told.seen("-") is None
    assert told.seen(f"{was.id} 1 2 ab") == Seen(cloud_id=was.id, epoch=1, revision=2, run="ab")


def test_rows_of_another_cloud_begin_a_past_of_their_own(db: Database) -> None:
    start(db)
    start(db)
    with db.transaction() as tx:
        raised = door.raise_epoch(tx, cloud_id=REFS[9], above=7)
    assert (raised.id, raised.epoch) == (REFS[9], 8)
    with db.read() as tx:
        assert not tx.rows(select(epochs))
        assert not clouds.once_had(tx, [Strange(kind="guest", ref=REFS[0], epoch=1, revision=1, run=raised.run)])


def test_a_held_host_is_not_up(db: Database) -> None:
    start(db)
    link = join(db)
    with db.transaction() as tx:
        hosts.seen(tx, link, Seen(cloud_id=REFS[9], epoch=2, revision=9), "Another cloud's.")
    with db.read() as tx:
        found = door.host_by_name(tx, "node")
        assert found is not None and not found.up and found.hold == "Another cloud's."
        assert door.held(tx) == [door.Held(link, "node", "Another cloud's.", REFS[9], 2, 9)]
    with db.transaction() as tx:
        hosts.seen(tx, link, Seen(cloud_id=REFS[9], epoch=2, revision=9))
        assert door.held(tx) == [] and door.host_up(tx, "node")


def thing(ref: str, **more: Any) -> Kept:
    made = Guest(id=ref, name="instance-1", display_name="g", vcpus=1, memory_mb=64, root_gb=1)
    spec = {"id": ref, "name": made.name, "display_name": "g", "vcpus": 1, "memory_mb": 64, "root_gb": 1}
    item = Item(host="node", kind="guest", ref=ref, revision=5, spec=spec)
    values: dict[str, Any] = {"host": "node", "kind": "guest", "ref": ref, "why": "hold", "item": item}
    return Kept(**{**values, **more})


def test_what_is_kept_is_told_in_rounds(db: Database) -> None:
    start(db)
    link = join(db)
    with db.transaction() as tx:
        assert keeping.keep(tx, link, Keeping(round=1, kept=[thing(REFS[0]), thing(REFS[1])], last=True)) == 2
    with db.read() as tx:
        before = {one.ref: one for one in door.kept(tx)}
    assert before[REFS[0]].spec["memory_mb"] == 64 and before[REFS[0]].why == "hold"
    with db.transaction() as tx:
        keeping.keep(tx, link, Keeping(round=2, kept=[thing(REFS[1], why="strange")]))
    with db.transaction() as tx:
        assert {one.ref for one in door.kept(tx)} == {REFS[0], REFS[1]}
        keeping.keep(tx, link, Keeping(round=2, kept=[thing(REFS[2])], last=True))
    with db.read() as tx:
        after = {one.ref: one for one in door.kept(tx)}
        assert keeping.counts(tx) == [
            {"kind": "guest", "why": "hold", "count": 1},
            {"kind": "guest", "why": "strange", "count": 1},
        ]
    assert set(after) == {REFS[1], REFS[2]}
    assert after[REFS[1]].since == before[REFS[1]].since


def test_a_node_that_lies_about_what_it_keeps_is_bounded(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    start(db)
    link = join(db)
    monkeypatch.setattr(keeping, "MOST_KEPT", 4)
    other = thing(REFS[1])
    assert other.item is not None
    other.item.spec["id"] = REFS[2]
    huge = thing(REFS[3])
    assert huge.item is not None
    huge.item.spec["display_name"] = "x" * told.MOST_KEPT_BYTES
    lies = [
        thing(REFS[0], host="another's"),
        thing("no id"),
        thing(REFS[4], epoch=2**60),
        other,
        huge,
        thing(REFS[5], facts={"power_state": "melted"}),
        *map(thing, REFS[6:]),
    ]
    with db.transaction() as tx:
        keeping.keep(tx, link, Keeping(round=1, kept=lies, last=True))
    with db.read() as tx:
        found = {one.ref: one for one in door.kept(tx)}
    assert set(found) == {REFS[1], REFS[3], REFS[5], REFS[6]}
    assert found[REFS[1]].spec is None and found[REFS[3]].spec is None and found[REFS[5]].facts == {}


def test_forgetting_is_a_tombstone_for_what_nobody_wants(db: Database) -> None:
    start(db)
    link = join(db)
    wanted = want(db, link, REFS[0])
    with db.transaction() as tx:
        keeping.keep(tx, link, Keeping(round=1, kept=[thing(REFS[0]), thing(REFS[1])], last=True))
    with db.transaction() as tx:
        assert door.forget(tx, [REFS[0], REFS[1], REFS[2]]) == [("guest", REFS[1])]
    with db.read() as tx:
        found = desired.changes(tx, link, 0, ("guest",), {"guest": lambda *_: {}})
        (gone,) = [item for item in found.items if item.ref == REFS[1]]
        assert gone.gone and gone.revision > wanted and gone.host == "node"
        assert desired.wanted_of(tx, link, REFS) == {("guest", REFS[0])}
        assert [one.ref for one in door.kept(tx)] == [REFS[0]]
