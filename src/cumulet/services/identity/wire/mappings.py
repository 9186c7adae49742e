"""Shapes of mappings: rules that turn what an identity provider says into users, groups and projects of ours."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from cumulet.http import Call
from cumulet.http.bodies import Record
from cumulet.http.shapes import Open, Wire
from cumulet.services.identity.tables import MappingRow
from cumulet.services.identity.wire.collections import LINK, self_link


class Domain(Wire):
    id: str | UnsetType = UNSET
    name: str | UnsetType = UNSET


class User(Wire):
    id: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    email: str | UnsetType = UNSET
    domain: Domain | UnsetType = UNSET
    type: Literal["ephemeral", "local"] | UnsetType = UNSET


class Role(Wire):
    name: str


class Project(Wire):
    name: str
    roles: list[Role]
    domain: Domain | UnsetType = UNSET  # from schema version 2.0


class Group(Wire):
    id: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    domain: Domain | UnsetType = UNSET


class Local(Wire):
    user: User | UnsetType = UNSET
    group: Group | UnsetType = UNSET
    groups: str | UnsetType = UNSET
    group_ids: str | UnsetType = UNSET
    domain: Domain | UnsetType = UNSET
    projects: list[Project] | UnsetType = UNSET
    projects_json: str | UnsetType = UNSET  # from schema version 3.0


class Remote(Wire):
    type: str
    any_one_of: list[Any] | UnsetType = UNSET
    not_any_of: list[Any] | UnsetType = UNSET
    whitelist: list[Any] | UnsetType = UNSET
    blacklist: list[Any] | UnsetType = UNSET
    regex: bool | UnsetType = UNSET


class Rule(Wire):
    local: list[Local]
    remote: Annotated[list[Remote], Meta(min_length=1)]


class Mapping(Open):
    rules: Annotated[list[Rule], Meta(min_length=1)]
    schema_version: str | UnsetType | None = UNSET


class MappingRequest(Open):
    mapping: Mapping


def shown(call: Call, row: MappingRow) -> dict[str, Any]:
    """A mapping as Keystone shows it."""
    return {
        "id": row.id,
        "rules": row.rules,
        "schema_version": row.schema_version,
        "links": self_link(call, f"OS-FEDERATION/mappings/{row.id}"),
    }


MAPPING = Record("ShownMapping", {"id": str, "rules": [dict], "schema_version": str, "links": LINK})
