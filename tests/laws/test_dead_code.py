"""Nothing stands in the source that nobody calls, tests left aside: what tests alone call proves nothing of a cloud."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator

from tests.laws.source import modules

CALLED_BY_LIBRARIES = {
    # logging, SQLAlchemy, pytest
    "formatTime": "cumulet.cli.logs",
    "process_bind_param": "cumulet.db.in_list",
    "pytest_addoption": "cumulet.testing.plugin",
    # uvicorn's protocol
    "send_400_response": "cumulet.http.protocol",
    "_unsupported_upgrade_warning": "cumulet.http.protocol",
    "on_response_complete": "cumulet.http.protocol",
}
CALLED_BY_TESTS_ALONE: dict[str, str] = {}
"""The list may only shrink."""
OAUTHLIB = "cumulet.services.identity.model.oauth1_signatures"
"""A class of its methods alone, by the names that oauthlib calls."""


def defined() -> Iterator[tuple[str, str]]:
    """(module, name) of functions, methods and classes that nothing decorates: what is decorated is called by who
    decorates it."""
    for module, tree in modules().items():
        if ".migrations." in module or module == OAUTHLIB:
            continue
        for node in ast.walk(tree):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) or node.decorator_list:
                continue
            if not (node.name.startswith("__") and node.name.endswith("__")):
                yield module, node.name


def used() -> Counter[str]:
    """How often names are used: as names, attributes, imports, keywords, or words of a text (``__all__``, routes)."""
    found: Counter[str] = Counter()
    for module, tree in modules().items():
        tables = "tables" in module.split(".")  # which offer all that they have
        for node in ast.walk(tree):
            if isinstance(node, ast.Name):
                found[node.id] += 1
            elif isinstance(node, ast.Attribute):
                found[node.attr] += 1
            elif isinstance(node, ast.alias):
                found[node.name if node.asname else ""] += 1
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and not tables:
                if re.fullmatch(r"\w+", node.value):
                    found[node.value] += 1
                elif len(node.value) < 200:  # an annotation, or where something is
                    found.update(set(re.findall(r"\w+", node.value)))
    return found


def test_everything_is_called() -> None:
    uses = used()
    dead = {(module, name) for module, name in defined() if not uses[name]}
    excused = {**CALLED_BY_LIBRARIES, **CALLED_BY_TESTS_ALONE}
    assert {(module, name) for module, name in dead if excused.get(name) != module} == set()
    assert {name for _, name in dead} >= set(excused), "a list names something that is called"
