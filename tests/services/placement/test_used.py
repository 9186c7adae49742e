"""`used` is what is allocated: after whatever operations, in whatever order, from however many threads."""

from __future__ import annotations

import threading
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from cumulet.db import Database, Transaction, metadata
from cumulet.services.placement import door
from cumulet.services.placement.model.candidates import Form, _walk
from cumulet.services.placement.model.filters import Filters
from cumulet.services.placement.tables import allocations, consumers, inventories
from tests.databases import place

PROVIDERS = ["p0", "p1", "p2"]
STOCK: dict[str, Any] = {"VCPU": {"total": 4, "allocation_ratio": 1.5}, "MEMORY_MB": {"total": 1000, "reserved": 100}}

claims = st.tuples(
    st.just("claim"),
    st.sampled_from([f"c{n}" for n in range(5)]),
    st.sampled_from(PROVIDERS),
    st.fixed_dictionaries({"VCPU": st.integers(0, 4), "MEMORY_MB": st.integers(0, 600)}),
)
releases = st.tuples(st.just("release"), st.sampled_from([f"c{n}" for n in range(5)]))
resizes = st.tuples(st.just("resize"), st.sampled_from(PROVIDERS), st.integers(1, 8))


def agree(tx: Transaction) -> None:
    """Denormalised and real usage are the same, nothing is negative, nobody without allocations is a consumer."""
    query = select(
        allocations.c.provider_uuid, allocations.c.resource_class, func.sum(allocations.c.used).label("used")
    ).group_by(allocations.c.provider_uuid, allocations.c.resource_class)
    real = {(row.provider_uuid, row.resource_class): row.used for row in tx.rows(query)}
    kept = {(row.provider_uuid, row.resource_class): row.used for row in tx.rows(select(inventories))}
    assert {key: used for key, used in kept.items() if used} == real
    holders = {row.consumer_uuid for row in tx.rows(select(allocations.c.consumer_uuid))}
    assert holders == {row.uuid for row in tx.rows(select(consumers.c.uuid))}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.one_of(claims, claims, releases, resizes), max_size=25))
def test_used_is_the_sum_of_allocations(steps: list[tuple]) -> None:
    with TemporaryDirectory() as folder:
        db = Database(place(Path(folder) / "s.db"), durable=False)
        metadata.create_all(db.engine)
        with db.transaction() as tx:
            for name in PROVIDERS:
                door.ensure_provider(tx, uuid=name, name=name, inventories=STOCK)
        for step in steps:
            with db.transaction() as tx:
                apply(tx, step)
            with db.read() as tx:
                agree(tx)
        with db.transaction() as tx:
            for n in range(5):
                door.release(tx, f"c{n}")
            agree(tx)
            assert not tx.rows(select(allocations))
        db.close()


def apply(tx: Transaction, step: tuple) -> None:
    if step[0] == "claim":
        before = door.usages(tx, PROVIDERS)
        try:
            door.claim(tx, consumer=step[1], provider=step[2], resources=step[3], project_id="p", user_id="u")
        except door.NoRoom:
            assert door.usages(tx, PROVIDERS) == before
    elif step[0] == "release":
        door.release(tx, step[1])
    else:
        stock: dict[str, Any] = {**STOCK, "VCPU": {"total": step[2]}}
        door.ensure_provider(tx, uuid=step[1], name=step[1], inventories=stock)


CLAIMERS = 50


def test_fifty_claimers_at_once_never_exceed_what_is_there(db: Database) -> None:
    """They all start together, and want more than there is; where several controllers may write, there are four."""
    stores = [db, *(Database(db.where, durable=False) for _ in range(0 if db.alone else 3))]
    with db.transaction() as tx:
        door.ensure_provider(tx, uuid="p", name="p", inventories={"VCPU": {"total": 20, "allocation_ratio": 1.5}})
    won: list[str] = []
    failed: list[BaseException] = []
    start = threading.Barrier(CLAIMERS)

    def claim(worker: int) -> None:
        start.wait()
        for n in range(2):
            consumer = f"{worker}-{n}"
            try:
                with stores[worker % len(stores)].transaction() as tx:
                    door.claim(tx, consumer=consumer, provider="p", resources={"VCPU": 1}, project_id="p", user_id="u")
            except door.NoRoom:
                continue
            except BaseException as error:
                failed.append(error)
                raise
            won.append(consumer)

    threads = [threading.Thread(target=claim, args=(worker,)) for worker in range(CLAIMERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (failed, len(won)) == ([], 30)
    with db.read() as tx:
        assert door.usages(tx, ["p"]) == {"p": {"VCPU": 30}}
        agree(tx)
    for each in stores[1:]:
        each.close()


def test_ensure_provider_writes_only_on_change(db: Database) -> None:
    with db.transaction() as tx:
        door.ensure_provider(tx, uuid="p", name="p", inventories=STOCK)
    with db.transaction() as tx:
        door.claim(tx, consumer="c", provider="p", resources={"VCPU": 1}, project_id="p", user_id="u")
    with db.read() as tx:  # a write would be refused by nothing else than being seen
        before = tx.rows(select(inventories))
    with db.transaction() as tx:
        door.ensure_provider(tx, uuid="p", name="p", inventories=STOCK)
        assert tx.statements <= 3
    with db.read() as tx:
        assert tx.rows(select(inventories)) == before
    with db.transaction() as tx:
        door.ensure_provider(tx, uuid="p", name="q", inventories={"MEMORY_MB": {"total": 10}})
        assert not door.candidates(tx, {"VCPU": 1}, limit=5)
        assert [one.name for one in door.candidates(tx, {"MEMORY_MB": 5}, limit=5)] == ["q"]
        agree(tx)


def test_candidates_and_shortfalls_agree(db: Database) -> None:
    with db.transaction() as tx:
        for n in range(5):
            stock: dict[str, Any] = {"VCPU": {"total": n + 1}, "MEMORY_MB": {"total": 100 * (n + 1)}}
            door.ensure_provider(tx, uuid=f"p{n}", name=f"h{n}", inventories=stock)
        asked = {"VCPU": 3, "MEMORY_MB": 400, "DISK_GB": 0}
        found = door.candidates(tx, asked, limit=10)
        assert [one.provider_uuid for one in found] == ["p4", "p3"]
        assert found[0].free == {"MEMORY_MB": 500, "VCPU": 5}
        assert [one.provider_uuid for one in door.candidates(tx, asked, limit=10, exclude=["p4"])] == ["p3"]
        lacking = door.shortfalls(tx, asked)
        assert {one.provider_uuid for one in lacking} == {"p0", "p1", "p2"}
        assert [(one.resource_class, one.needed, one.free) for one in lacking if one.name == "h2"] == [
            ("MEMORY_MB", 400, 300)
        ]


@pytest.mark.parametrize("filters", [Filters(), Filters(any_traits=[{"HW_CPU_X86_VMX"}], outside={"a"})])
def test_candidates_are_walked_to_not_sorted(tmp_path: Path, filters: Filters) -> None:
    """What the docstring promises, as SQLite plans it: along the index in its order, everything else by key."""
    db = Database(tmp_path / "s.db", durable=False)
    metadata.create_all(db.engine)
    walk = _walk(("MEMORY_MB", "DISK_GB", "VCPU"), Form(limited=True, ids_alone=True), filters)
    bound = walk.params(need_0=1, need_1=1, need_2=1, most=1)
    text = str(bound.compile(db.engine, compile_kwargs={"render_postcompile": True}))
    with db.read() as tx:
        plan = [row[3] for row in tx.driver.execute(f"EXPLAIN QUERY PLAN {text}", [1] * text.count("?")).fetchall()]
    db.close()
    assert "placement_inventories_free" in plan[0]
    assert not [step for step in plan if "SCAN" in step or "ORDER BY" in step], plan
