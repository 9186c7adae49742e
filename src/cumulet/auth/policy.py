"""Policy: OpenStack's rules in oslo.policy's language (`cumulet.auth.language`), parsed once, checked in memory.

Services declare `Rule`s; an operator overrides them in one file (see `cumulet.auth.policy_file`). Nothing here reads a
file while a request is answered. A rule is also bound to kinds of tokens (`scope_types`), always enforced, as the
originals do by default: whoever comes with another kind of token is refused whatever roles he has.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any, NamedTuple

from msgspec import Struct

from cumulet.auth.caller import Caller

EXTENSIONS: list[str] = []
"""Modules that teach oslo.policy further kinds of checks: services name theirs."""


class PolicyError(ValueError):
    """A rule, or a file of rules, that cannot be in force. The text names the rule and says why."""


class Rule(Struct, frozen=True):
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


CLOUD_ADMIN, CONTEXT_IS_ADMIN = "cloud_admin", "context_is_admin"
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
    Rule(
        CONTEXT_IS_ADMIN,
        "role:admin",
        "Who is an administrator where no rule is asked: sees what belongs to others, and details of faults.",
    ),
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


class Checks(NamedTuple):
    """Rules in force: `overrides` and the `texts` that they make of the defaults, `enforced`, which also look at the
    kind of token, and what the rules `cloud_admin` and `context_is_admin` say without that; None for the latter's
    default, by which the role says it."""

    overrides: Mapping[str, str]
    texts: Mapping[str, str]
    enforced: Mapping[str, Check]
    cloud_admin: Check
    context_is_admin: Check | None


class Policy:
    """The rules in force. Defaults are parsed when the first is looked at: `rules` may be what gives them then."""

    def __init__(
        self, rules: Iterable[Rule] | Callable[[], Iterable[Rule]], overrides: Mapping[str, str] | None = None
    ) -> None:
        self._rules = rules
        self._checks: Checks | None = None
        if overrides:
            self.put(overrides)

    @cached_property
    def defaults(self) -> Mapping[str, Rule]:
        """The rules that are declared, by name."""
        return {rule.name: rule for rule in (*SHARED, *(self._rules() if callable(self._rules) else self._rules))}

    @property
    def overrides(self) -> Mapping[str, str]:
        """What the operator says instead of defaults."""
        return {} if self._checks is None else self._checks.overrides

    @property
    def texts(self) -> Mapping[str, str]:
        """The rules in force as texts. Raises PolicyError when a default cannot be parsed."""
        return self._in_force().texts

    def put(self, overrides: Mapping[str, str]) -> None:
        """Put the defaults under `overrides` in force. The rules before stay when one cannot be parsed: PolicyError."""
        texts = {**{name: rule.check for name, rule in self.defaults.items()}, **overrides}
        parts = language().compiled(texts)
        enforced = {name: self._scoped(name, check) for name, check in parts.items()}
        own = parts[CONTEXT_IS_ADMIN] if CONTEXT_IS_ADMIN in overrides else None
        self._checks = Checks(dict(overrides), texts, enforced, parts[CLOUD_ADMIN], own)

    def _in_force(self) -> Checks:
        if self._checks is None:
            self.put({})
            assert self._checks is not None
        return self._checks

    def _scoped(self, name: str, check: Check) -> Check:
        rule = self.defaults.get(name)
        if rule is None or not rule.scope_types:
            return check
        kinds = {*rule.scope_types, *(("default_domain",) if "domain" in rule.scope_types else ())}
        return lambda target, creds: creds["token_scope"] in kinds and check(target, creds)

    def seen(self, caller: Caller) -> Caller:
        """`caller` as the service's rules and handlers see it: without the role admin when that is not the cloud's,
        which the rule `cloud_admin` says of the token, and an administrator when `context_is_admin` says so."""
        checks = self._in_force()
        if caller.is_admin and not checks.cloud_admin(caller.credentials, caller.credentials):
            caller = caller.lowered
        if checks.context_is_admin is None:
            return caller
        is_admin = checks.context_is_admin(caller.credentials, caller.credentials)
        return caller if is_admin == caller.is_admin else caller.turned

    def allows(self, rule: str, caller: Caller, target: Mapping[str, Any] | None = None) -> bool:
        """Whether `caller` passes `rule` on `target` (the caller's own project unless given). An unknown rule
        allows nobody."""
        check = self._in_force().enforced.get(rule)
        if check is None:
            return False
        return check(caller.credentials if target is None else target, caller.credentials)

    def require(self, rule: str, caller: Caller, target: Mapping[str, Any] | None = None) -> None:
        """Raise `Forbidden` unless `caller` passes `rule` on `target`."""
        if not self.allows(rule, caller, target):
            raise Forbidden(rule)


def references(text: str) -> set[str]:
    """Names of the rules that a rule's text refers to."""
    found: set[str] = language().references(text)
    return found


def language() -> Any:
    """The module that parses rules, which knows what services add to oslo.policy's language."""
    for name in EXTENSIONS:
        importlib.import_module(name)
    return importlib.import_module("cumulet.auth.language")
