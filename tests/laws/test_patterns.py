"""Where a text may become a regular expression: only RE2, within bounds, sees one that the source does not hold."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.laws.source import imports, modules, path_of

COMPILING = frozenset({"compile", "search", "match", "fullmatch", "findall", "finditer", "split", "sub", "subn"})
IN_DATABASES = frozenset({"regexp_match", "regexp_replace", "like", "ilike", "not_like", "not_ilike", "op", "bool_op"})
PARTS = frozenset({"contains", "startswith", "endswith", "icontains", "istartswith", "iendswith"})

NOT_LITERAL = {
    "src/cumulet/services/image/wire/schema.py": "our own declarations' patterns: what a client declares is never run",
}
"""Files that give Python's `re` what is not written there. May only shrink."""

IN_SQL = {
    "src/cumulet/services/network/model/desired.py": "the owners of servers' ports: a constant and a percent sign",
}
"""Files that have the database match patterns; none of them comes from outside. May only shrink."""


def calls(tree: ast.Module) -> Iterator[ast.Call]:
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def literal(node: ast.expr) -> bool:
    """Whether a text is written in the source, in one piece or several."""
    if isinstance(node, ast.BinOp):
        return literal(node.left) and literal(node.right)
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def names_of_re(tree: ast.Module) -> tuple[set[str], set[str]]:
    """What the module `re` is called in a file, and what its functions are that were imported by themselves."""
    names, bare = {"re"}, set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.asname for alias in node.names if alias.name == "re" and alias.asname}
        elif isinstance(node, ast.ImportFrom) and node.module == "re":
            bare |= {alias.asname or alias.name for alias in node.names}
    return names, bare


def calls_of_re(tree: ast.Module) -> Iterator[ast.Call]:
    """Calls of functions of the module `re`, under whatever name it was imported."""
    names, bare = names_of_re(tree)
    for call in calls(tree):
        match call.func:
            case ast.Attribute(value=ast.Name(id=module), attr=function) if module in names and function in COMPILING:
                yield call
            case ast.Name(id=function) if function in bare:
                yield call


def relative(name: str) -> str:
    return "src/" + str(path_of(name)).partition("/src/")[2]


def test_re_sees_literals_only() -> None:
    """Finding S2. A text of a request, of a row or of the deployer goes to `cumulet.patterns`."""
    found: dict[str, list[int]] = {}
    for name, tree in modules().items():
        lines = [call.lineno for call in calls_of_re(tree) if not (call.args and literal(call.args[0]))]
        if lines:
            found[relative(name)] = lines
    assert {path: lines for path, lines in found.items() if path not in NOT_LITERAL} == {}
    assert NOT_LITERAL.keys() <= found.keys(), "an exception that is none any more"


def test_the_database_matches_no_patterns_from_outside() -> None:
    """Finding S2. PostgreSQL's and SQLite's expressions have no bound; LIKE reads % and _ as patterns."""
    found: dict[str, list[int]] = {}
    for name, tree in modules().items():
        sql = any(target.startswith("sqlalchemy") for target, _ in imports(tree))
        for call in calls(tree):
            attribute = call.func.attr if isinstance(call.func, ast.Attribute) else ""
            escaped = any(word.arg == "autoescape" for word in call.keywords)
            if attribute in IN_DATABASES or (attribute in PARTS and sql and not escaped and not _of_text(call)):
                found.setdefault(relative(name), []).append(call.lineno)
    assert {path: lines for path, lines in found.items() if path not in IN_SQL} == {}
    assert IN_SQL.keys() <= found.keys(), "an exception that is none any more"


def _of_text(call: ast.Call) -> bool:
    """`"…".startswith("x")` of a plain text: a literal, a tuple or a name as the only argument, or an own function."""
    column = isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Attribute)
    return not (column and isinstance(call.func.value.value, ast.Attribute) and call.func.value.value.attr == "c")  # type: ignore[attr-defined]


def test_shapes_have_patterns_of_their_own() -> None:
    """What msgspec compiles with `re` for a shape is written in the source, too."""
    constants = {name: _constants(tree) for name, tree in modules().items()}
    found = []
    for name, tree in modules().items():
        for call in calls(tree):
            if not (isinstance(call.func, ast.Name | ast.Attribute) and ast.unparse(call.func).endswith("Meta")):
                continue
            for word in call.keywords:
                named = isinstance(word.value, ast.Name) and word.value.id in constants[name]
                if word.arg == "pattern" and not literal(word.value) and not named:
                    found.append(f"{relative(name)}:{call.lineno}")
    assert found == []


def _constants(tree: ast.Module) -> set[str]:
    """Names that a module gives a literal text, or imports."""
    found = {
        alias.asname or alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    for node in tree.body:
        if isinstance(node, ast.Assign) and literal(node.value):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return found


def test_one_module_compiles_for_re2() -> None:
    """Bounds are set where RE2 is called, and it is called in one place."""
    found = {
        relative(name) for name, tree in modules().items() if any(t.split(".")[0] == "re2" for t, _ in imports(tree))
    }
    assert found == {"src/cumulet/patterns.py"}


@pytest.mark.parametrize("module", ["fnmatch", "sre_compile", "regex", "glob"])
def test_nothing_else_makes_patterns(module: str) -> None:
    """`fnmatch` and `glob` turn texts into expressions of `re`."""
    assert [n for n, tree in modules().items() if any(t.split(".")[0] == module for t, _ in imports(tree))] == []
