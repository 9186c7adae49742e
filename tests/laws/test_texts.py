"""How text of requests is looked at: patterns end where the text ends, and what reaches a host has one parser.

Python's ``$`` is true before a last line's end, ``str.isdigit`` is true for letters that `int` does not take, and
`ipaddress` takes whatever stands behind a ``%``: each of them was a hole (findings S1 and S16).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.laws.source import modules, path_of, room

PATTERN_CALLS = {"compile", "search", "fullmatch", "match", "sub", "finditer", "findall", "split", "subn"}
OWN_TEXT = {
    # Patterns of the operator, whose meaning is Keystone's.
    "cumulet.services.identity.model.password_rules",
}
_DIGITS = {"isdigit", "isdecimal", "isnumeric"}


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def patterns(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """(pattern, line) of every literal that is given to `re`, `re2` or a shape, but for those of several lines."""
    for call in _calls(tree):
        function = call.func
        several = any(isinstance(node, ast.Attribute) and node.attr in ("M", "MULTILINE") for node in ast.walk(call))
        owner = function.value if isinstance(function, ast.Attribute) and function.attr in PATTERN_CALLS else None
        if isinstance(owner, ast.Name) and owner.id in ("re", "re2") and not several:
            yield from _literals(call.args[:1])
        for keyword in call.keywords:
            if keyword.arg == "pattern":
                yield from _literals([keyword.value])


def _literals(nodes: list[ast.expr]) -> Iterator[tuple[str, int]]:
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value, node.lineno
        elif isinstance(node, ast.JoinedStr):
            parts = [part.value for part in node.values if isinstance(part, ast.Constant)]
            yield "".join(map(str, parts)), node.lineno


def ends_early(pattern: str) -> bool:
    """Whether a ``$`` in it is neither escaped nor in a class."""
    bare = re.sub(r"\\.", "", pattern)
    return "$" in re.sub(r"\[\^?\]?[^\]]*\]", "", bare)


def test_the_law_sees_what_it_looks_for() -> None:
    source = 'import re\nA = re.compile(r"^a$")\nB = re.compile(r"^[$]\\$")\nC = Meta(pattern="x$")\nre.search("y$", t)'
    found = [pattern for pattern, _ in patterns(ast.parse(source)) if ends_early(pattern)]
    assert found == ["^a$", "x$", "y$"]


def test_no_pattern_ends_before_the_texts_end() -> None:
    """`fullmatch`, or ``\\Z`` where a part is looked for."""
    found = [
        f"{path_of(name)}:{line}: {pattern}"
        for name, tree in modules().items()
        for pattern, line in patterns(tree)
        if ends_early(pattern)
    ]
    assert found == []


def test_nothing_is_matched_from_its_beginning_only() -> None:
    """`re.match`, and `match` of a pattern that is a constant, say nothing of how the text goes on."""
    found = []
    for name, tree in modules().items():
        for call in _calls(tree):
            function = call.func
            if not isinstance(function, ast.Attribute) or function.attr != "match" or name in OWN_TEXT:
                continue
            owner = function.value.id if isinstance(function.value, ast.Name) else ""
            if owner in ("re", "re2") or re.fullmatch(r"_?[A-Z][A-Z0-9_]*", owner):
                found.append(f"{path_of(name)}:{call.lineno}")
    assert found == []


def test_digits_that_become_numbers_are_ascii() -> None:
    found = []
    for name, tree in modules().items():
        if room(name) == "cli" or name.endswith((".model.keys", ".model.vault", ".ldap_settings")):
            continue  # names of files in folders of our own, and numbers of the operator's directory
        if name == "cumulet.http.protocol":
            continue  # what it looks at is bytes, of which only those of ASCII are digits
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                named = {call.func.attr for call in _calls(node) if isinstance(call.func, ast.Attribute)}
                made = {call.func.id for call in _calls(node) if isinstance(call.func, ast.Name)}
                if named & _DIGITS and "int" in made and "isascii" not in named:
                    found.append(f"{path_of(name)}:{node.lineno}: {node.name}")
    assert found == []


def test_addresses_of_requests_and_on_nodes_have_one_parser() -> None:
    """`cumulet.desired.texts`. What is in the database or in the operator's settings was parsed before."""
    parsers = {"ipaddress", *(f"ipaddress.{name}" for name in ("ip_address", "ip_network", "ip_interface"))}
    found = []
    for name, tree in modules().items():
        parts = name.split(".")
        asked = parts[1:2] == ["services"] and parts[3:4] in (["wire"], ["api"]) and parts[2] != "image"
        if asked or (name.startswith("cumulet.node.net.") and parts[-1] != "provider"):
            found += [f"{path_of(name)}:{line}" for target, line in _whole_modules(tree) if target in parsers]
    assert found == []


def _whole_modules(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Imports as they are written: ``import a`` gives ``a``, ``from a import b`` only ``a.b``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)
