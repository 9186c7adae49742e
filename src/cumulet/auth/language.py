"""The language of policy's rules: oslo.policy parses a text, and what comes of it is made into closures.

It is imported when the first rule is looked at: oslo.policy takes as long to load as all rules of a service.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from functools import lru_cache, reduce
from typing import Any

from oslo_policy import _checks, _parser

from cumulet.auth.policy import PolicyError

Check = Callable[[Mapping[str, Any], Mapping[str, Any]], bool]


def compiled(texts: Mapping[str, str]) -> dict[str, Check]:
    """Rules by name, as they refer to each other. Raises PolicyError."""
    trees = {name: _parse(name, text) for name, text in texts.items()}
    _refuse_circles(trees)
    parts: dict[str, Check] = {}
    parts.update({name: _compile(tree, parts) for name, tree in trees.items()})
    return parts


def references(text: str) -> set[str]:
    """Names of the rules that a rule's text refers to."""
    return _names(_parsed(text))


def _names(check: Any) -> set[str]:
    if isinstance(check, _checks.RuleCheck):
        return {str(check.match)}
    inner = getattr(check, "rules", None) or ([check.rule] if isinstance(check, _checks.NotCheck) else [])
    return {name for part in inner for name in _names(part)}


def _refuse_circles(trees: Mapping[str, Any]) -> None:
    """A rule that comes back to itself would never end."""
    done: set[str] = set()

    def walk(name: str, above: tuple[str, ...]) -> None:
        if name in above:
            raise PolicyError(f"policy rule {name}: refers to itself ({' → '.join((*above, name))})")
        if name not in done and name in trees:
            for inner in _names(trees[name]):
                walk(inner, (*above, name))
            done.add(name)

    for name in trees:
        walk(name, ())


def _compile(check: Any, parts: Mapping[str, Check]) -> Check:
    """oslo.policy's tree as closures: its own walk inspects each function's signature at every check."""
    if isinstance(check, _checks.AndCheck):
        return reduce(_both, [_compile(part, parts) for part in check.rules])
    if isinstance(check, _checks.OrCheck):
        return reduce(_either, [_compile(part, parts) for part in check.rules])
    if isinstance(check, _checks.NotCheck):
        inner = _compile(check.rule, parts)
        return lambda target, creds: not inner(target, creds)
    if isinstance(check, _checks.RuleCheck):
        name = str(check.match)
        return lambda target, creds: (found := parts.get(name)) is not None and found(target, creds)
    if type(check) is _checks.RoleCheck and "%" not in check.match:
        return _role(check.match.lower())
    if type(check) is _checks.GenericCheck:
        return _generic(check)
    return _other(check)


def _both(one: Check, other: Check) -> Check:
    return lambda target, creds: one(target, creds) and other(target, creds)


def _either(one: Check, other: Check) -> Check:
    return lambda target, creds: one(target, creds) or other(target, creds)


def _role(name: str) -> Check:
    """``role:name``. Names of roles are compared without their case."""
    return lambda _, creds: name in creds["roles"] or name in [role.lower() for role in creds["roles"]]


def _generic(check: Any) -> Check:
    """``kind:match``, where kind is a literal or the path to something of the caller's: oslo.policy finds out which
    by parsing it as Python at every check, which costs more than the rest of a rule."""
    kind, match = check.kind, check.match
    try:
        literal = str(ast.literal_eval(kind))
    except ValueError:
        return _other(check) if "." in kind else _attribute(kind, match)
    except SyntaxError:
        return _other(check)
    return lambda target, _: _filled(match, target) == literal


def _attribute(kind: str, match: str) -> Check:
    fixed = None if "%" in match else match

    def same(target: Mapping[str, Any], creds: Mapping[str, Any]) -> bool:
        wanted = fixed or _filled(match, target)
        if wanted is None or kind not in creds:
            return False
        value = creds[kind]
        return wanted in map(str, value) if isinstance(value, list) else wanted == str(value)

    return same


def _filled(match: str, target: Mapping[str, Any]) -> str | None:
    """What a rule compares with; None when the target has no such thing."""
    try:
        return match % target
    except KeyError:
        return None


def _other(check: Any) -> Check:
    return lambda target, creds: bool(check(target, creds, None))


class _Extensions(dict[str, Any]):
    """oslo.policy's checks that ask a web server, found when a rule has one: looking for them loads an HTTP client."""

    def __contains__(self, kind: object) -> bool:
        if kind not in ("http", "https"):
            return False
        if not self:
            _checks.extension_checks = None
            self.update(_checks.get_extensions())
            _checks.extension_checks = self
        return super().__contains__(kind)


if _checks.extension_checks is None:
    _checks.extension_checks = _Extensions()

_parsed = lru_cache(maxsize=1000)(_parser.parse_rule)
"""Hundreds of rules share a few dozen texts, and a parsed text is never changed."""


def _parse(name: str, text: str) -> Any:
    check = _parsed(text)
    if isinstance(check, _checks.FalseCheck) and text.strip() not in ("!", "False"):
        raise PolicyError(f"policy rule {name}: cannot be parsed: {text!r}")
    return check
