"""Policy: OpenStack's rules in oslo.policy's language, parsed once, checked in memory.

Services declare `Rule`s; an operator overrides them in one file (see `cumulet.auth.policy_file`). Nothing here reads a
file while a request is answered. A rule is also bound to kinds of tokens (`scope_types`), always enforced, as the
originals do by default: whoever comes with another kind of token is refused whatever roles he has.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache, reduce
from typing import Any

from oslo_policy import _checks, _parser

from cumulet.auth.caller import Caller


class PolicyError(ValueError):
    """A rule, or a file of rules, that cannot be in force. The text names the rule and says why."""


@dataclass(frozen=True)
class Rule:
    """A rule of policy with its default, under OpenStack's name for it.

    `scope_types`: the kinds of tokens ("system", "domain", "default_domain", "project") that may pass it; an empty
    tuple for all of them, None for what its service says of all its rules.
    """

    name: str
    check: str
    description: str = ""
    scope_types: tuple[str, ...] | None = None


class Forbidden(Exception):
    """The caller may not do this. `rule` is the rule that said no."""

    def __init__(self, rule: str) -> None:
        super().__init__(rule)
        self.rule = rule


CLOUD_ADMIN = "cloud_admin"
_OF_THE_CLOUD = "project_domain_id:default or domain_id:default or system_scope:all"

# What the rules of all services build on. OpenStack's services each repeat these.
SHARED = (
    Rule(
        CLOUD_ADMIN,
        f"role:admin and ({_OF_THE_CLOUD})",
        "Whose role admin is the whole cloud's: on the system, on the domain default, on a project of that domain. "
        "Anywhere else it is worth the roles that it implies, manager and so on. Keystone's letter, by which the role "
        "admin on whatever domain or project is the cloud's, is: role:admin.",
    ),
    Rule("context_is_admin", "role:admin"),
    Rule("admin_api", "role:admin"),
    Rule("admin_required", "role:admin or is_admin:1"),
    Rule("admin_or_owner", "is_admin:True or project_id:%(project_id)s"),
    Rule("project_manager_api", "role:manager and project_id:%(project_id)s"),
    Rule("project_member_api", "role:member and project_id:%(project_id)s"),
    Rule("project_reader_api", "role:reader and project_id:%(project_id)s"),
    Rule("project_member_or_admin", "rule:project_member_api or rule:context_is_admin"),
    Rule("project_reader_or_admin", "rule:project_reader_api or rule:context_is_admin"),
)


Check = Callable[[Mapping[str, Any], Mapping[str, Any]], bool]


@dataclass(frozen=True)
class Checks:
    """Rules that can be put in force: `parts` by name, as other rules refer to them, and `enforced`, which also look
    at the kind of token."""

    parts: Mapping[str, Check]
    enforced: Mapping[str, Check]


class Policy:
    """The rules in force. Raises PolicyError when a rule cannot be parsed."""

    def __init__(self, rules: Iterable[Rule], overrides: Mapping[str, str] | None = None) -> None:
        self.defaults = {rule.name: rule for rule in (*SHARED, *rules)}
        self.texts: dict[str, str] = {}
        self.overrides: Mapping[str, str] = {}
        self._enforced: Mapping[str, Check] = {}
        self._cloud_admin: Check = _nobody
        self.put(overrides or {})

    def put(self, overrides: Mapping[str, str]) -> None:
        """Put the defaults under `overrides` in force. The rules before stay when one cannot be parsed."""
        texts = {**{name: rule.check for name, rule in self.defaults.items()}, **overrides}
        checks = self._compiled(texts)
        self.overrides = dict(overrides)
        self.texts, self._enforced, self._cloud_admin = texts, checks.enforced, checks.parts[CLOUD_ADMIN]

    def _compiled(self, texts: Mapping[str, str]) -> Checks:
        trees = {name: _parse(name, text) for name, text in texts.items()}
        _refuse_circles(trees)
        parts: dict[str, Check] = {}
        parts.update({name: _compile(tree, parts) for name, tree in trees.items()})
        enforced = {name: self._scoped(name, check) for name, check in parts.items()}
        return Checks(parts, enforced)

    def _scoped(self, name: str, check: Check) -> Check:
        rule = self.defaults.get(name)
        if rule is None or not rule.scope_types:
            return check
        kinds = {*rule.scope_types, *(("default_domain",) if "domain" in rule.scope_types else ())}
        return lambda target, creds: creds["token_scope"] in kinds and check(target, creds)

    def seen(self, caller: Caller) -> Caller:
        """`caller` as the service's rules and handlers see it: without the role admin when that is not the cloud's,
        which the rule `cloud_admin` says of the token."""
        if not caller.is_admin or self._cloud_admin(caller.credentials, caller.credentials):
            return caller
        return caller.lowered

    def allows(self, rule: str, caller: Caller, target: Mapping[str, Any] | None = None) -> bool:
        """Whether `caller` passes `rule` on `target` (the caller's own project unless given). An unknown rule
        allows nobody."""
        check = self._enforced.get(rule)
        if check is None:
            return False
        return check(caller.credentials if target is None else target, caller.credentials)

    def require(self, rule: str, caller: Caller, target: Mapping[str, Any] | None = None) -> None:
        """Raise `Forbidden` unless `caller` passes `rule` on `target`."""
        if not self.allows(rule, caller, target):
            raise Forbidden(rule)


def _nobody(_target: Mapping[str, Any], _creds: Mapping[str, Any]) -> bool:
    return False


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
