"""Shapes of projects and domains."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from cumulet.http import Call
from cumulet.http.bodies import OneOf, Query, Record, optional
from cumulet.http.shapes import Open
from cumulet.services.identity.wire.collections import LINK, filters, self_link
from cumulet.services.identity.wire.fields import Id, Options, ShortName

Tag = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[^,/]*\Z")]
Tags = Annotated[list[Tag], Meta(max_length=80)]


class ProjectCreate(Open):
    name: ShortName
    domain_id: Id | UnsetType | None = UNSET
    parent_id: Id | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET
    enabled: bool = True
    is_domain: bool = False
    tags: Tags | UnsetType = UNSET
    options: Options | UnsetType = UNSET


class ProjectCreateRequest(Open):
    project: ProjectCreate


class ProjectUpdate(Open):
    name: ShortName | UnsetType = UNSET
    domain_id: Id | UnsetType | None = UNSET
    parent_id: Id | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET
    is_domain: bool | UnsetType = UNSET
    tags: Tags | UnsetType = UNSET
    options: Options | UnsetType = UNSET


class ProjectUpdateRequest(Open):
    project: ProjectUpdate


class DomainCreate(Open):
    name: ShortName
    explicit_domain_id: Annotated[str, Meta(pattern=r"^[0-9a-f]{32}\Z")] | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET
    enabled: bool = True
    tags: Tags | UnsetType = UNSET
    options: Options | UnsetType = UNSET


class DomainCreateRequest(Open):
    domain: DomainCreate


class DomainUpdate(Open):
    name: ShortName | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET
    tags: Tags | UnsetType = UNSET
    options: Options | UnsetType = UNSET


class DomainUpdateRequest(Open):
    domain: DomainUpdate


class TagsRequest(Open):
    tags: Tags


def shown(call: Call, tagged: tuple[Any, list[str]]) -> dict[str, Any]:
    """A project, given as row and tags, as Keystone shows it."""
    row, tags = tagged
    return {
        **row.extra,
        "id": row.id,
        "name": row.name,
        "domain_id": None if row.is_domain else row.domain_id,
        "parent_id": row.parent_id,
        "is_domain": row.is_domain,
        "description": row.description,
        "enabled": row.enabled,
        "tags": tags,
        "options": row.options,
        "links": self_link(call, f"projects/{row.id}"),
    }


def shown_domain(call: Call, tagged: tuple[Any, list[str]]) -> dict[str, Any]:
    """A domain, given as row and tags, as Keystone shows it."""
    row, tags = tagged
    return {
        **row.extra,
        "id": row.id,
        "name": row.name,
        "description": row.description,
        "enabled": row.enabled,
        "tags": tags,
        "options": row.options,
        "links": self_link(call, f"domains/{row.id}"),
    }


DOMAIN = Record(
    "Domain",
    {"id": str, "name": str, "description": str, "enabled": bool, "tags": [str], "options": dict, "links": LINK},
    others=Any,
)
PROJECT = DOMAIN.but("Project", domain_id=str | None, parent_id=str | None, is_domain=bool)
_IDS: dict[Any, Any] = {str: OneOf(dict, None)}
_RELATIVES = optional(OneOf([{"project": PROJECT}], _IDS, None))
PROJECT_WITH_RELATIVES = PROJECT.but("ProjectWithRelatives", parents=_RELATIVES, subtree=_RELATIVES)
TAGS = Record("ProjectTags", {"tags": [str], "links": LINK})
_TAGS = dict.fromkeys(("tags", "tags-any", "not-tags", "not-tags-any"), str)
QUERY = filters("name", "domain_id", "parent_id", enabled=bool, is_domain=bool, **_TAGS)
REACHABLE_QUERY = filters("name", "domain_id", "parent_id", enabled=bool)
DOMAINS_QUERY = filters("name", enabled=bool)
RELATIVES_QUERY = Query(dict.fromkeys(("parents_as_list", "parents_as_ids", "subtree_as_list", "subtree_as_ids"), bool))
