"""What keeps faults of security out that no linter sees. Ruff's own rules are in pyproject.toml, each exception with
its reason."""

from __future__ import annotations

import ast
import tomllib

from tests.laws.source import ROOT, modules

OTHER_ASSERTS = {}
"""Modules with other asserts. The list may only shrink."""


def narrows(test: ast.expr) -> bool:
    """Whether a condition says that something is there, which is for the type checker."""
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        return all(narrows(each) for each in test.values)
    if not isinstance(test, ast.Compare) or not isinstance(test.left, (ast.Name, ast.Attribute)):
        return False
    (operator, *more), (right, *_) = test.ops, test.comparators
    return not more and isinstance(operator, ast.IsNot) and isinstance(right, ast.Constant) and right.value is None


def test_asserts_say_only_that_something_is_there() -> None:
    """`python -O` leaves asserts out, so none may check what came from outside."""
    found = {
        name
        for name, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Assert) and not narrows(node.test)
    }
    assert found <= OTHER_ASSERTS.keys(), "raise an exception of its own instead"


def test_rules_that_find_faults_of_security_are_on() -> None:
    lint = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    assert "S" in lint["select"]
    everywhere = {rule for rule in lint["ignore"] if rule.startswith("S") and rule[1:].isdigit()}
    assert everywhere <= {"S101"}, "an exception names its files"
    for files, rules in lint["per-file-ignores"].items():
        assert "S" not in rules, f"{files}: all rules of a kind are switched off"
        assert not {"S602", "S604", "S605", "S609"} & {*rules}, f"{files}: no shell, anywhere"


def test_no_blanket_exceptions() -> None:
    """A ``noqa`` names the rule and says why."""
    for folder in ("src", "tests", "bench"):
        for path in (ROOT / folder).rglob("*.py"):
            if path.name == "test_safety.py":
                continue
            for number, line in enumerate(path.read_text().splitlines(), 1):
                if "# noqa" in line:
                    assert ("# noqa: ") in line, f"{path.relative_to(ROOT)}:{number}"
