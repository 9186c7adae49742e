"""The index of cases and findings: every number once, every test that it names exists, none is without a test or a
reason."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
INDEX = Path(__file__).with_name("README.md")
NUMBERS = [*map(str, range(1, 61)), *[f"S{number}" for number in range(1, 20)]]

_ROW = re.compile(r"^\| (S?\d+) \| (.+) \| (.+) \|$")
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def rows() -> list[tuple[str, str, str]]:
    lines = [line for line in INDEX.read_text(encoding="utf-8").splitlines() if re.match(r"\| S?\d", line)]
    found = [_ROW.fullmatch(line) for line in lines]
    assert None not in found, "a row that is not three cells"
    return [(match[1], match[2], match[3]) for match in found if match]


@cache
def defined_in(path: str) -> frozenset[str]:
    """Names of the tests that a file defines."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return frozenset(
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    )


def test_every_number_is_there_once() -> None:
    assert [number for number, _, _ in rows()] == NUMBERS


@pytest.mark.parametrize(("number", "held_by"), [(number, held_by) for number, _, held_by in rows()])
def test_each_has_its_tests_or_a_reason(number: str, held_by: str) -> None:
    named = _TEST.findall(held_by)
    assert held_by.count("::") == len(named), "a test is not written as `path::name`"
    for path, name in named:
        assert (ROOT / path).is_file(), path
        assert name in defined_in(path), f"{path} has no {name}"
    assert named or re.fullmatch(r"Not yet: .{10,}\.", held_by), "neither a test nor a reason"
