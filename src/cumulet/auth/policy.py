"""Policy: OpenStack's rules in oslo.policy's language, parsed once, checked in memory.

Services declare `Rule`s; an operator overrides them in ``policy.yaml``. Files are read when the process starts and
on `reload`, never while a request is answered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from oslo_policy import _checks, _parser

from cumulet.auth.caller import Caller


@dataclass(frozen=True)
class Rule:
    """A rule of policy with its default, under OpenStack's name for it.

    `scopes`: which scopes of a token it is for, of "system", "domain" and "project"; empty is all. A token without
    a scope is bound by the check alone, as in oslo.policy.
    """

    name: str
    check: str
    description: str = ""
    scopes: tuple[str, ...] = ()


class Forbidden(Exception):
    """The caller may not do this. `rule` is the rule that said no."""

    def __init__(self, rule: str) -> None:
        super().__init__(rule)
        self.rule = rule


# What the rules of all services build on. OpenStack's services each repeat these.
SHARED = (
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


class Policy:
    """The rules in force. Raises ValueError when a rule cannot be parsed."""

    def __init__(self, rules: Iterable[Rule], overrides: Path | None = None) -> None:
        self.defaults = {rule.name: rule for rule in (*SHARED, *rules)}
        self.overrides = overrides
        self._checks: dict[str, Check] = {}
        self.reload()

    def reload(self) -> None:
        """Read the overrides again; the old rules stay in force when they are faulty."""
        texts = {name: rule.check for name, rule in self.defaults.items()}
        if self.overrides is not None and self.overrides.exists():
            loaded = yaml.safe_load(self.overrides.read_text()) or {}
            if not isinstance(loaded, dict):
                raise ValueError(f"{self.overrides}: expected a mapping of rule names to rules")
            texts.update({str(name): str(check) for name, check in loaded.items()})
        self._checks = {name: self._compile(_parse(name, text)) for name, text in texts.items()}

    def allows(self, rule: str, caller: Caller, target: Mapping[str, Any] | None = None) -> bool:
        """Whether `caller` passes `rule` on `target` (the caller's own project unless given). An unknown rule
        allows nobody."""
        check = self._checks.get(rule)
        if check is None or not self._scoped(rule, caller):
            return False
        return check(caller.credentials if target is None else target, caller.credentials)

    def require(self, rule: str, caller: Caller, target: Mapping[str, Any] | None = None) -> None:
        """Raise `Forbidden` unless `caller` passes `rule` on `target`."""
        if not self.allows(rule, caller, target):
            raise Forbidden(rule)

    def _scoped(self, rule: str, caller: Caller) -> bool:
        """Whether the rule is for tokens of the caller's scope, whatever an override makes of its check."""
        declared = self.defaults.get(rule)
        scope = caller.scope
        return declared is None or not declared.scopes or not scope or scope in declared.scopes

    def _compile(self, check: Any) -> Check:
        """oslo.policy's tree as closures: its own walk inspects each function's signature at every check."""
        if isinstance(check, _checks.AndCheck):
            parts = [self._compile(part) for part in check.rules]
            return lambda target, creds: all(part(target, creds) for part in parts)
        if isinstance(check, _checks.OrCheck):
            parts = [self._compile(part) for part in check.rules]
            return lambda target, creds: any(part(target, creds) for part in parts)
        if isinstance(check, _checks.NotCheck):
            inner = self._compile(check.rule)
            return lambda target, creds: not inner(target, creds)
        if isinstance(check, _checks.RuleCheck):
            name = str(check.match)
            return lambda target, creds: (found := self._checks.get(name)) is not None and found(target, creds)
        return lambda target, creds: bool(check(target, creds, None))


_parsed = lru_cache(maxsize=1000)(_parser.parse_rule)
"""Hundreds of rules share a few dozen texts, and a parsed text is never changed."""


def _parse(name: str, text: str) -> Any:
    check = _parsed(text)
    if isinstance(check, _checks.FalseCheck) and text.strip() not in ("!", "False"):
        raise ValueError(f"policy rule {name}: cannot be parsed: {text!r}")
    return check
