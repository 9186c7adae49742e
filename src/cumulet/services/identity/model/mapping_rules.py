"""The rule engine of mappings: what an identity provider asserts, turned into a user, groups and projects.

A pure function: no rows, no clock. An assertion is attribute → values. A text that stands for values of the
assertion alone (``{0}``) becomes those values one by one; they are never parsed as a list, so that nobody can write
``['admins']`` into an attribute of theirs and be in that group. Only text of the mapping's author is.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from cumulet.patterns import Refused, compiled

VERSIONS = ("1.0", "2.0", "3.0")
EVALUATIONS = ("any_one_of", "not_any_of", "whitelist", "blacklist")
LONGEST_FOR_REGEX = 1024  # characters of an attribute that a regular expression is tried on

_HOLE = re.compile(r"\{(\d+)\}|\{\{|\}\}|[{}]")
_WHOLE = re.compile(r"\{(\d+)\}")
_JSON = "JSON:"

Assertion = Mapping[str, Sequence[str]]
Values = list[list[str]]


class Unmapped(Exception):
    """The mapping makes nobody of this assertion; the text says why."""


class Mapped(Struct, frozen=True):
    """`user`: its fields, some or all of id, name, email, domain, type. `groups`: (name, domain) with the domain as
    ``{"id"}`` or ``{"name"}``. `projects`: ``{"name", "roles": [{"name"}], "domain"?}``. Domains that are not said
    are those of the identity provider."""

    user: dict[str, Any]
    group_ids: list[str] = field(default_factory=list)
    groups: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    projects: list[dict[str, Any]] = field(default_factory=list)


def split(assertion: Mapping[str, str]) -> dict[str, list[str]]:
    """An assertion of plain texts, where a semicolon stands between values."""
    return {name: value.split(";") for name, value in assertion.items()}


def apply(mapping_id: str, rules: Sequence[Mapping[str, Any]], version: str, assertion: Assertion) -> Mapped:
    """What `rules` make of `assertion`. Raises `Unmapped`."""
    entries = []
    for rule in rules:
        values = _requirements(rule["remote"], assertion)
        if values is not None:
            entries += [_Entry(mapping_id, local, values) for local in rule["local"]]
    if not entries:
        raise Unmapped(
            "Could not map any federated user properties to identity values. Check debug logs or the mapping used for "
            "additional details."
        )
    return _merged(entries, version)


def _requirements(requirements: Sequence[Mapping[str, Any]], assertion: Assertion) -> Values | None:
    """The values that ``{0}``, ``{1}`` … stand for; None when the rule does not apply."""
    found: Values = []
    for requirement in requirements:
        values = list(assertion.get(requirement["type"], ()))
        if not values:
            return None
        kind = next((name for name in EVALUATIONS if name in requirement), None)
        if kind is None:
            found.append(values)
            continue
        hits = _hits(requirement[kind], values, bool(requirement.get("regex")))
        if kind in ("any_one_of", "not_any_of"):
            if bool(hits) != (kind == "any_one_of"):
                return None
            continue
        found.append([value for value in dict.fromkeys(values) if (value in hits) == (kind == "whitelist")])
    return found


def _hits(wanted: Sequence[Any], values: list[str], regex: bool) -> set[str]:
    if not regex:
        return {value for value in values if value in wanted}
    if any(len(value) > LONGEST_FOR_REGEX for value in values):
        raise Unmapped("An attribute of the assertion is too long for a regular expression.")
    try:
        patterns = [compiled(pattern) for pattern in wanted]
    except (Refused, TypeError):
        raise Unmapped("A regular expression of the mapping is faulty.") from None
    return {value for value in values if any(pattern.search(value) for pattern in patterns)}


class _Entry:
    """One local part of a rule that applies, with what its holes stand for."""

    def __init__(self, mapping_id: str, local: Mapping[str, Any], values: Values) -> None:
        self._mapping_id, self._local, self._values = mapping_id, local, values

    def __contains__(self, name: str) -> bool:
        return name in self._local

    def get(self, name: str) -> Any:
        """The part `name`, holes filled; None when there is none."""
        return self._filled(self._local[name]) if name in self._local else None

    def several(self, name: str) -> list[str]:
        """The part `name`, a text, as a list."""
        text: str = self._local[name]
        if whole := _WHOLE.fullmatch(text):
            return list(self._at(int(whole[1])))
        filled = self._text(text)
        return _listed(filled) if filled == text else [filled]

    def groups(self) -> list[tuple[str, dict[str, str]]]:
        """The part ``groups`` with the domain beside it; without one, each value says its own as JSON."""
        names, domain = self.several("groups"), self.get("domain")
        if domain is not None:
            return [(name, domain) for name in names]
        return [_from_json(name) for name in names]

    def projects_json(self) -> list[dict[str, Any]]:
        """The projects that an attribute holds as JSON."""
        found: list[dict[str, Any]] = []
        for text in self.several("projects_json"):
            try:
                projects = json.loads(text)
            except (ValueError, RecursionError):
                raise Unmapped("The attribute for projects_json is not JSON.") from None
            if not isinstance(projects, list) or not all(map(_is_project, projects)):
                raise Unmapped("The attribute for projects_json holds no projects.")
            found += projects
        return found

    def _filled(self, part: Any) -> Any:
        if isinstance(part, str):
            return self._text(part)
        if isinstance(part, Mapping):
            return {key: self._filled(value) for key, value in part.items()}
        if isinstance(part, list):
            return [self._filled(item) for item in part]
        return part

    def _text(self, text: str) -> str:
        def fill(hole: re.Match[str]) -> str:
            if hole[1] is None:
                if len(hole[0]) == 1:
                    raise self._no_match()
                return hole[0][0]
            values = self._at(int(hole[1]))
            return values[0] if len(values) == 1 else str(values)

        return _HOLE.sub(fill, text)

    def _at(self, index: int) -> list[str]:
        if index >= len(self._values):
            raise self._no_match()
        return self._values[index]

    def _no_match(self) -> Unmapped:
        return Unmapped(
            f"Local section in mapping {self._mapping_id} refers to a remote match that doesn't exist (e.g. {{0}} in a "
            "local section)."
        )


def _listed(text: str) -> list[str]:
    """A text that the mapping's author wrote: a list in Python's notation, or one value."""
    if not text.lstrip().startswith("["):
        return [text]
    try:
        values = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return [text]
    return values if isinstance(values, list) and all(isinstance(each, str) for each in values) else [text]


def _from_json(text: str) -> tuple[str, dict[str, str]]:
    try:
        group = json.loads(text.removeprefix(_JSON)) if text.startswith(_JSON) else None
    except (ValueError, RecursionError):
        group = None
    if not isinstance(group, dict) or not isinstance(group.get("name"), str) or not _is_domain(group.get("domain")):
        raise Unmapped("Invalid rule: Both 'groups' and 'domain' keywords must be specified.")
    return group["name"], group["domain"]


def _is_domain(value: Any) -> bool:
    if not isinstance(value, dict) or not value or not set(value) <= {"id", "name"}:
        return False
    return all(isinstance(each, str) for each in value.values())


def _is_project(value: Any) -> bool:
    if not isinstance(value, dict) or not {"name", "roles"} <= set(value) <= {"name", "roles", "domain"}:
        return False
    named = [value, *value["roles"]] if isinstance(value["roles"], list) else [None]
    if not all(isinstance(each, dict) and isinstance(each.get("name"), str) for each in named):
        return False
    return "domain" not in value or _is_domain(value["domain"])


def _merged(entries: list[_Entry], version: str) -> Mapped:
    """The first user and the last projects count, and all groups do."""
    user: dict[str, Any] = {}
    ids: dict[str, None] = {}
    groups: list[tuple[str, dict[str, str]]] = []
    projects: list[dict[str, Any]] = []
    domain: Any = None
    for entry in entries:
        if "user" in entry and not user:
            user = entry.get("user")
            domain = entry.get("domain") or domain
        group = entry.get("group") or {}
        if "id" in group:
            ids[group["id"]] = None
        elif "name" in group:
            groups.append((group["name"], group["domain"]))
        if "groups" in entry:
            groups += entry.groups()
        if "group_ids" in entry:
            ids.update(dict.fromkeys(entry.several("group_ids")))
        if "projects" in entry or "projects_json" in entry:
            projects = _projects(entry, version)
    if version != "1.0":
        domain = domain or next((entry.get("domain") for entry in reversed(entries) if "domain" in entry), None)
        if domain and not user.get("domain"):
            user["domain"] = domain
    user.setdefault("type", "ephemeral")
    unique = {(name, tuple(sorted(where.items()))): (name, where) for name, where in groups}
    return Mapped(user, list(ids), list(unique.values()), projects)


def _projects(entry: _Entry, version: str) -> list[dict[str, Any]]:
    found = list(entry.get("projects") or ())
    if "projects_json" in entry and version == "3.0":
        found += entry.projects_json()
    domain = entry.get("domain") if version != "1.0" else None
    return [{"domain": domain, **project} if domain else project for project in found]
