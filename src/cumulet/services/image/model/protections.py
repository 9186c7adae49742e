"""Property protections: which roles may create, read, change and delete which properties of images.

The operator writes them in Glance's form, into one of two files of the state folder: with roles in
``property-protections-roles.conf``, or with names of policy rules in ``property-protections-policies.conf``. Without
a file every property is everybody's. The first section whose pattern is found in a property's name decides; a
property that no section names is nobody's.
"""

from __future__ import annotations

import configparser
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from msgspec import Struct

from cumulet.auth import Caller
from cumulet.http.faults import NotAllowed
from cumulet.patterns import Pattern, Refused

VERBS = ("create", "read", "update", "delete")
ROLES_FILE, POLICIES_FILE = "property-protections-roles.conf", "property-protections-policies.conf"
Allows = Callable[[str], bool]
"""Whether the caller passes a rule of policy."""


class Protections(Struct, frozen=True):
    """The rules: (pattern, verb → names) in the file's order. `by_policy`: the names are policy rules, not roles."""

    rules: tuple[tuple[Pattern, dict[str, tuple[str, ...]]], ...] = ()
    by_policy: bool = False

    def allow(self, verb: str, name: str, caller: Caller, allows: Allows) -> bool:
        """Whether the caller may do this to the property."""
        if not self.rules or name.startswith("os_glance"):
            return True
        who = next((verbs[verb] for pattern, verbs in self.rules if pattern.search(name)), ())
        if "!" in who:
            return False
        if "@" in who:
            return True
        if self.by_policy:
            return any(map(allows, who))
        roles = {role.lower() for role in caller.roles}
        return any(role.lower() in roles for role in who)


@dataclass(frozen=True)
class Guard:
    """The protections as they stand for one caller."""

    protections: Protections
    caller: Caller
    allows: Allows = field(repr=False)

    def may(self, verb: str, name: str) -> bool:
        """Whether the caller may do this to the property."""
        return self.protections.allow(verb, name, self.caller, self.allows)

    def readable(self, properties: dict[str, str]) -> dict[str, str]:
        """The properties that the caller may read."""
        if not self.protections.rules:
            return properties
        return {name: value for name, value in properties.items() if self.may("read", name)}

    def require(self, verb: str, name: str) -> None:
        """Raise 403 unless the caller may do this to the property."""
        if not self.may(verb, name):
            raise NotAllowed(f"Attribute '{name}' is reserved.", code="HTTPForbidden")


def load(folder: Path) -> Protections:
    """The protections that the folder holds. Raises ValueError for a file that makes no sense."""
    paths = [folder / name for name in (ROLES_FILE, POLICIES_FILE) if (folder / name).exists()]
    if not paths:
        return Protections()
    if len(paths) > 1:
        raise ValueError(f"{folder}: only one of {ROLES_FILE} and {POLICIES_FILE} can be in force")
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(paths[0].read_text(encoding="utf-8"))
    except configparser.Error as error:
        raise ValueError(f"{paths[0]}: {error}") from None
    by_policy = paths[0].name == POLICIES_FILE
    return Protections(tuple(_rule(paths[0], parser[name], by_policy) for name in parser.sections()), by_policy)


def _rule(
    path: Path, section: configparser.SectionProxy, by_policy: bool
) -> tuple[Pattern, dict[str, tuple[str, ...]]]:
    try:
        pattern = Pattern(section.name)
    except Refused as error:
        raise ValueError(f"{path}: [{section.name}] is no regular expression: {error}") from None
    verbs = {}
    for verb in VERBS:
        if verb not in section:
            raise ValueError(f"{path}: [{section.name}] does not say who may {verb}")
        names = tuple(name.strip() for name in section[verb].split(",") if name.strip())
        if {"@", "!"} <= set(names):
            raise ValueError(f"{path}: [{section.name}] {verb}: '@' and '!' exclude each other")
        if by_policy and len(names) > 1:
            raise ValueError(f"{path}: [{section.name}] {verb}: one policy rule at most")
        verbs[verb] = names
    return pattern, verbs
