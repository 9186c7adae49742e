"""Sizes. The lists of exceptions may only shrink: a new one is a design question, not an entry."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.laws.source import PACKAGE, ROOT, modules, path_of

FUNCTION_LINES, FILE_LINES, PARAMETERS = 50, 500, 6
TABLES_LINES = 400
# Migrations are left out: one is as long as what it changes, and nobody edits it afterwards.

LONG_FILES: set[str] = set()
LONG_FUNCTIONS: set[str] = set()
MANY_PARAMETERS: set[str] = set()


def functions() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for name, tree in modules().items():
        if ".migrations." in name:
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{name}.{node.name}", node


def test_files() -> None:
    long = {
        str(path.relative_to(ROOT))
        for path in [*PACKAGE.rglob("*.py"), *(ROOT / "tests").rglob("*.py"), *(ROOT / "bench").rglob("*.py")]
        if "migrations" not in path.parts and len(path.read_text().splitlines()) > FILE_LINES
    }
    assert long == LONG_FILES


def test_tables_become_a_folder_with_a_file_per_noun_in_time() -> None:
    paths = [path for path in PACKAGE.rglob("*.py") if path.stem == "tables" or path.parent.name == "tables"]
    paths = [path for path in paths if "node" not in path.relative_to(PACKAGE).parts]
    assert len(paths) > 20
    assert [str(path) for path in paths if len(path.read_text().splitlines()) > TABLES_LINES] == []


def test_functions() -> None:
    long = {name for name, node in functions() if node.end_lineno - node.lineno + 1 > FUNCTION_LINES}  # type: ignore[operator]
    assert long == LONG_FUNCTIONS


def test_parameters() -> None:
    """`self`, `tx` and keyword-only parameters that have names at the call do not count towards the six."""
    many = set()
    for name, node in functions():
        plain = [a.arg for a in (*node.args.posonlyargs, *node.args.args) if a.arg not in ("self", "cls", "tx", "call")]
        if len(plain) > PARAMETERS:
            many.add(name)
    assert many == MANY_PARAMETERS


def test_paths_exist_for_the_lists() -> None:
    known = {name for name, _ in functions()}
    assert known >= LONG_FUNCTIONS | MANY_PARAMETERS
    assert all((ROOT / path).exists() for path in LONG_FILES)
    assert path_of("cumulet").exists()
