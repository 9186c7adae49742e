"""What a server may be follows from its verbs: who writes a state has it from one of them, and nobody keeps a list."""

from __future__ import annotations

import ast
import re

import pytest

from cumulet.engine import Engine
from cumulet.services.compute import flows
from cumulet.services.compute.context import ComputeContext, Deadlines
from cumulet.services.compute.tables import servers
from cumulet.services.compute.verbs import VERBS
from tests import states
from tests.laws.source import imports, modules, path_of

COLUMNS = {VERBS.state, VERBS.task}
READERS = {"cumulet.services.compute.api.server_filters", "cumulet.services.compute.model.server_list"}
"""Modules with tables of what lists are filtered and sorted by, which name columns as keys. The set may only shrink."""


def writes(tree: ast.AST) -> list[int]:
    """Lines that give a value to a column of a server's state by its name: as a keyword, as a key, in SQL."""
    return [line for node in ast.walk(tree) for line in _written(node)]


def _written(node: ast.AST) -> list[int]:
    if isinstance(node, ast.keyword):
        return [node.value.lineno] if node.arg in COLUMNS else []
    if isinstance(node, ast.Dict):
        return [key.lineno for key in node.keys if key is not None and _named(key)]
    if isinstance(node, ast.Subscript | ast.Attribute) and isinstance(node.ctx, ast.Store):
        return [node.lineno] if _named(node.slice if isinstance(node, ast.Subscript) else node) else []
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.lineno] if _SQL.search(node.value) else []
    return []


_SQL = re.compile(rf"\bset\b.*\b({'|'.join(COLUMNS)})\b\s*=", re.I | re.S)


def _named(key: ast.expr) -> bool:
    if isinstance(key, ast.Constant):
        return key.value in COLUMNS
    return isinstance(key, ast.Attribute) and key.attr in COLUMNS


def test_every_write_of_a_state_goes_through_a_verb() -> None:
    """The columns' names stand in the table, and where rows are read; the values of a write come from `VERBS`."""
    found = {name: writes(tree) for name, tree in modules().items()}
    assert {name for name, lines in found.items() if lines} <= READERS, "take `VERBS.begun`, `ended` or `failed`"


@pytest.mark.parametrize(
    "line",
    [
        "servers.change(tx, row.id, vm_state=states.ACTIVE)",
        "update(servers).where(here).values(task_state=None)",
        "tx.insert(servers, {'id': id, 'vm_state': 'active'})",
        "update(servers).values({servers.c.vm_state: 'active'})",
        "values['task_state'] = None",
        "row.vm_state = 'active'",
        "tx.execute(text('UPDATE compute_servers SET fault = NULL, vm_state = :state'))",
    ],
)
def test_the_law_sees_what_goes_past_verbs(line: str) -> None:
    assert writes(ast.parse(line)) == [1]


def test_the_page_of_states_is_what_the_verbs_say() -> None:
    assert states.PAGE.read_text() == states.drawn(), f"run `{states.COMMAND}`"


def test_a_verb_says_all_that_follows_from_what_it_says() -> None:
    engine = Engine.__new__(Engine)
    known: set[str] = set()
    engine.register = lambda kind, steps, deadline: known.add(kind)  # type: ignore[method-assign]
    flows.register(engine, ComputeContext(engine, lambda: ()))
    for verb in VERBS:
        assert bool(verb.task) == bool(verb.flow) == bool(verb.deadline), f"{verb.name}: who ends it, and by when?"
        assert not verb.task or (verb.report and verb.becomes), f"{verb.name}: what ends it?"
        assert not verb.event or verb.action, f"{verb.name}: what do clients call it?"
        assert not verb.flow or verb.flow in known, f"{verb.name}: no flow {verb.flow} in flows/"
        assert not verb.deadline or Deadlines().of(verb) > 0
        assert {*(verb.want or {}), *([verb.counts] if verb.counts else [])} <= set(servers.c.keys()) - COLUMNS
    assert {verb.flow for verb in VERBS if verb.flow} == known, "a flow without a verb"


def test_every_verb_is_done_by_somebody() -> None:
    used = {target for name, tree in modules().items() if ".compute.verbs" not in name for target, _ in imports(tree)}
    package = "cumulet.services.compute.verbs"
    files = {path.stem for path in path_of(package).parent.glob("*.py") if path.stem != "__init__"}
    assert {verb.name for verb in VERBS} == files
    assert [name for name in sorted(files) if f"{package}.{name}.{name.upper()}" not in used] == []
