"""Verbs as values, on nouns that no service has: a gate with a column for its task, a lamp without."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Column, MetaData, String, Table

from cumulet.db import Database, Transaction
from cumulet.engine import Done, Engine, Flow, Outcome, Wait
from cumulet.engine.tables import flows
from cumulet.engine.verbs import ANY, NOWHERE, Verb, Verbs, modules_of, verbs_of, within
from tests.databases import place

BUILD = Verb(name="build", legal=NOWHERE, puts="building", task="raising", becomes={"up": "shut"}, fails="broken")
OPEN = Verb(
    name="open", legal=within("shut"), task="opening", becomes={"wide": "open", "stuck": "shut"}, fails="broken",
    flow="swing", deadline="swing",
)  # fmt: skip
FORCE = Verb(name="force", legal=within("shut", "broken", tasks=(None, "opening")), becomes={"wide": "open"})
RAZE = Verb(name="raze", legal=within("building", "shut", "open", "broken", tasks=ANY), becomes={"gone": "razed"})
GATE = Verbs([OPEN, BUILD, RAZE, FORCE], state="state", task="task")


def gate(state: str, task: str | None = None) -> Any:
    return SimpleNamespace(state=state, task=task)


def test_what_may_begin() -> None:
    legal = {
        (verb.name, state, task)
        for verb in GATE
        for state in ("shut", "open", "broken")
        for task in (None, "opening", "painting")
        if GATE.hindrance(verb, gate(state, task)) is None
    }
    anything = {("raze", state, task) for state in ("shut", "open", "broken") for task in (None, "opening", "painting")}
    forced = {("force", state, task) for state in ("shut", "broken") for task in (None, "opening")}
    assert legal == {("open", "shut", None)} | forced | anything
    assert GATE.hindrance(OPEN, gate("open", "opening")) == ("state", "open")
    assert GATE.hindrance(OPEN, gate("shut", "opening")) == ("task", "opening")


def test_what_is_written() -> None:
    assert GATE.begun(BUILD) == {"state": "building", "task": "raising"}
    assert GATE.begun(OPEN) == {"task": "opening"}
    assert GATE.begun(FORCE) == {}
    assert GATE.ended(OPEN, "wide") == {"state": "open", "task": None}
    assert GATE.failed(OPEN) == {"state": "broken", "task": None}
    with pytest.raises(KeyError):
        GATE.ended(OPEN, "half")
    with pytest.raises(ValueError, match="raze"):
        GATE.failed(RAZE)


def test_what_is_under_way() -> None:
    assert [GATE.under_way(gate("shut", task)) for task in (None, "opening", "painting")] == [None, OPEN, None]
    assert [verb.name for verb in GATE] == ["build", "force", "open", "raze"]


def test_a_noun_without_a_column_for_tasks_shows_them_as_its_state() -> None:
    light = Verb(name="light", legal=within("dark"), task="warming", becomes={"warm": "bright"}, fails="dark")
    lamp = Verbs([light], state="status")
    assert lamp.begun(light) == {"status": "warming"}
    assert lamp.ended(light, "warm") == {"status": "bright"}
    assert lamp.failed(light) == {"status": "dark"}
    row = SimpleNamespace(status="warming")
    assert (lamp.under_way(row), lamp.hindrance(light, row)) == (light, ("status", "warming"))


@pytest.mark.parametrize("other", [Verb(name="open", legal=NOWHERE), Verb(name="x", legal=NOWHERE, task="opening")])
def test_verbs_that_cannot_be_told_apart_are_refused(other: Verb) -> None:
    with pytest.raises(ValueError, match="open"):
        Verbs([OPEN, other], state="state", task="task")


def test_a_folder_of_verbs_is_its_own_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "gate_verbs"
    folder.mkdir()
    (folder / "__init__.py").touch()
    words = "from cumulet.engine.verbs import NOWHERE, Verb\n{} = Verb(name={!r}, legal=NOWHERE)\n"
    for name in ("shut", "lift"):
        (folder / f"{name}.py").write_text(words.format(name.upper(), name))
    monkeypatch.syspath_prepend(tmp_path)
    assert [verb.name for verb in verbs_of("gate_verbs", Verb)] == ["lift", "shut"]
    assert [module.__name__ for module in modules_of("gate_verbs")] == ["gate_verbs.lift", "gate_verbs.shut"]
    (folder / "wrong.py").write_text(words.format("WRONG", "another"))
    with pytest.raises(ValueError, match="wrong"):
        verbs_of("gate_verbs", Verb)


def test_a_report_moves_every_flow_of_its_subjects(tmp_path: Path) -> None:
    """From the beginning to the end: a table, a flow, and verbs that say what is written."""
    gates = Table("gates", MetaData(), Column("id", String, primary_key=True), Column("state", String))
    gates.append_column(Column("task", String))
    db = Database(place(tmp_path / "db.sqlite"), durable=False)
    with db.engine.connect() as connection:
        flows.metadata.create_all(connection, tables=[flows])
        gates.metadata.create_all(connection)
    engine = Engine(db)
    seen = {"a": "wide", "b": "stuck", "c": "half"}

    def swinging(tx: Transaction, flow: Flow) -> Outcome:
        if seen[flow.subject] not in OPEN.becomes:
            return Wait()
        tx.update_by_key(gates, {"id": flow.subject}, **GATE.ended(OPEN, seen[flow.subject]))
        return Done()

    engine.register(OPEN.flow, {"swinging": swinging}, lambda tx, flow: None)
    engine.register("paint", {"drying": lambda tx, flow: Done()}, lambda tx, flow: None)
    with db.transaction() as tx:
        for id in seen:
            tx.insert(gates, {"id": id, "state": "shut", **GATE.begun(OPEN)})
            engine.start(tx, OPEN.flow, id, "swinging", deadline_s=60)
        engine.start(tx, "paint", "a", "drying", deadline_s=60)
        before = tx.statements
        assert engine.advance_all(tx, ["a", "b", "c", "d"]) == {"a", "b", "c"}
        assert engine.advance_all(tx, []) == set()
        states = {row.id: (row.state, row.task) for row in tx.rows(gates.select())}
        assert states == {"a": ("open", None), "b": ("shut", None), "c": ("shut", "opening")}
        left = tx.rows(flows.select())
        assert [(row.kind, row.subject) for row in left] == [(OPEN.flow, "c")]
        assert tx.statements - before < 12
        engine.cancel_all(tx, "c")
        assert tx.rows(flows.select()) == []
