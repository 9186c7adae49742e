"""The list: Glance's filters, operators and sort keys as conditions on `image_images`."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, false, or_, select

from cumulet.auth import Caller
from cumulet.http.faults import BadRequest
from cumulet.services.image.model import images as model
from cumulet.services.image.tables import images, tags
from cumulet.store import Page, Transaction, paged
from cumulet.store.paging import MarkerNotFound
from cumulet.store.times import parse_iso

SORT_KEYS = (
    "name",
    "status",
    "container_format",
    "disk_format",
    "size",
    "id",
    "created_at",
    "updated_at",
    "os_hidden",
    "protected",
    "min_disk",
    "min_ram",
    "owner",
    "visibility",
)
_COLUMNS = {key: images.c[key] for key in SORT_KEYS}
_LISTED = ("id", "name", "status", "disk_format", "container_format")
_TIMES = ("created_at", "updated_at")
_COMPARE: dict[str, Callable[[Any, Any], ColumnElement[bool]]] = {
    "eq": lambda column, value: column == value,
    "neq": lambda column, value: column != value,
    "gt": lambda column, value: column > value,
    "gte": lambda column, value: column >= value,
    "lt": lambda column, value: column < value,
    "lte": lambda column, value: column <= value,
}
DEFAULT_LIMIT, MAX_LIMIT = 25, 1000
_VISIBILITIES = ("public", "private", "shared", "community", "all")
_MEMBER_STATUSES = ("pending", "accepted", "rejected", "all")
_DIGITS = re.compile(r"^[0-9]{1,18}$")


@dataclass(frozen=True)
class Wanted:
    """A parsed list request."""

    filters: Mapping[str, str]
    tags: tuple[str, ...]
    page: Page
    visibility: str | None
    member_status: str


def parse(query: Mapping[str, list[str]]) -> Wanted:
    """The query string of a list. Raises 400 with Glance's words."""
    rest = {name: values[-1] for name, values in query.items() if name not in _TAKEN}
    visibility = query.get("visibility", [None])[-1]
    if visibility is not None and visibility not in _VISIBILITIES:
        raise BadRequest(f"Invalid visibility value: {visibility}")
    status = query.get("member_status", ["accepted"])[-1]
    if status not in _MEMBER_STATUSES:
        raise BadRequest(f"Invalid status: {status}")
    limit = _limit(query["limit"][-1]) if "limit" in query else DEFAULT_LIMIT
    marker = query["marker"][-1] if "marker" in query else None
    page = Page(limit, marker, _sort(query))
    return Wanted(rest, tuple(query.get("tag", ())), page, visibility, status)


_TAKEN = ("visibility", "member_status", "limit", "marker", "sort", "sort_key", "sort_dir", "tag")


def _limit(text: str) -> int:
    try:
        limit = int(text)
    except ValueError:
        raise BadRequest("limit param must be an integer") from None
    if limit < 0:
        raise BadRequest("limit param must be positive")
    return min(limit, MAX_LIMIT)


def _sort(query: Mapping[str, list[str]]) -> tuple[tuple[str, bool], ...]:
    keys, dirs = list(query.get("sort_key", ())), list(query.get("sort_dir", ()))
    if "sort" in query:
        if keys or dirs:
            raise BadRequest("Old and new sorting syntax cannot be combined")
        for part in query["sort"][-1].split(","):
            key, _, direction = part.strip().partition(":")
            keys.append(key.strip())
            dirs.append(direction.strip() or "desc")
    if len(dirs) > 1 and len(dirs) != len(keys or ["created_at"]):
        raise BadRequest("Number of sort dirs does not match the number of sort keys")
    keys = keys or ["created_at"]
    dirs = dirs * len(keys) if len(dirs) == 1 else dirs or ["desc"] * len(keys)
    for key in keys:
        if key not in _COLUMNS:
            raise BadRequest(f"Invalid sort key: {key}")
    for direction in dirs:
        if direction not in ("asc", "desc"):
            raise BadRequest(f"Invalid sort direction: {direction}")
    return tuple((key, direction == "desc") for key, direction in zip(keys, dirs, strict=True))


def listed(tx: Transaction, caller: Caller, wanted: Wanted) -> list[model.Image]:
    """A page of images with their tags. Two queries, four with a marker. Raises 400."""
    where = [images.c.deleted_at.is_(None), _scope(caller, wanted)]
    where += [_condition(name, value) for name, value in wanted.filters.items()]
    where += [images.c.id.in_(select(tags.c.image_id).where(tags.c.value == tag)) for tag in wanted.tags]
    marker = wanted.page.marker
    if marker is not None and tx.row(select(images.c.id).where(images.c.id == marker, model.visible(caller))) is None:
        raise BadRequest(f"No image found with ID {marker}")
    try:
        rows = paged(tx, select(images).where(*where), _COLUMNS, wanted.page, images.c.id)
    except MarkerNotFound:
        raise BadRequest(f"No image found with ID {marker}") from None
    labels = model.tags_of(tx, [row.id for row in rows])
    return [model.Image(row, labels.get(row.id, ())) for row in rows]


def _scope(caller: Caller, wanted: Wanted) -> ColumnElement[bool]:
    """What the list shows of what the caller may see: others' community images only when asked for."""
    status = None if wanted.member_status == "all" else wanted.member_status
    visible = model.visible(caller, status)
    visibility = wanted.visibility
    if visibility is None:
        own = images.c.owner == caller.project_id
        return and_(visible, or_(images.c.visibility != "community", own))
    if visibility == "all":
        return visible
    return and_(visible, images.c.visibility == visibility)


def _condition(name: str, value: str) -> ColumnElement[bool]:
    if name in _LISTED and value.startswith("in:"):
        return images.c[name].in_(_quoted(value[3:]))
    if name in _TIMES:
        return _time(name, value)
    if name in ("size_min", "size_max", "min_ram", "min_disk", "size"):
        return _number(name, value)
    if name in ("protected", "os_hidden"):
        return images.c[name] == _boolean(name, value)
    if name in (*_LISTED, "owner", "checksum", "os_hash_algo", "os_hash_value"):
        return images.c[name] == value
    if '"' in name:
        return false()
    same: ColumnElement[bool] = images.c.properties[name].as_string() == value
    return same


def _quoted(text: str) -> list[str]:
    """Values of an ``in:`` list, divided by commas; a value that holds one stands in double quotes."""
    if text.count('"') % 2:
        raise BadRequest(f"Invalid filter value {text}. The quote is not closed.")
    return [value.strip() for value in next(csv.reader([text], skipinitialspace=True), [])]


def _time(name: str, value: str) -> ColumnElement[bool]:
    operator, _, rest = value.partition(":")
    if operator not in _COMPARE:
        operator, rest = "eq", value
    try:
        at = parse_iso(rest)
    except (ValueError, OverflowError):
        raise BadRequest(f"Time string {rest} is not in ISO 8601 format") from None
    second = images.c[name] - images.c[name] % 1_000_000
    return _COMPARE[operator](second, at - at % 1_000_000)


def _number(name: str, value: str) -> ColumnElement[bool]:
    if not _DIGITS.match(value):
        raise BadRequest(
            f"Cannot convert image {name.removesuffix('_min').removesuffix('_max')} '{value}' to an integer."
        )
    number = int(value)
    if name == "size_min":
        return images.c.size >= number
    if name == "size_max":
        return images.c.size <= number
    return images.c[name] == number


def _boolean(name: str, value: str) -> bool:
    text = value.strip().lower()
    if text not in ("true", "false", "1", "0"):
        raise BadRequest(
            f"Invalid value '{value}' for '{name}' filter. Valid values are case insensitive 'true' or 'false'."
        )
    return text in ("true", "1")
