"""The list: Glance's filters, operators and sort keys as conditions on `image_images`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from msgspec import Struct
from sqlalchemy import Boolean, ColumnElement, String, and_, bindparam, false, func, or_, select, true

from cumulet.auth import Caller
from cumulet.db import Page, Prepared, Transaction, paged, select_as
from cumulet.db.in_list import in_list
from cumulet.db.paging import MarkerNotFound, first_page
from cumulet.db.times import parse_iso
from cumulet.http.collections import Query, last
from cumulet.http.faults import BadRequest
from cumulet.services.image.model import images as model
from cumulet.services.image.model.protections import Guard
from cumulet.services.image.tables import ImageRow, images, tags
from cumulet.services.image.wire import pages

SORT_KEYS = ("name", "status", "container_format", "disk_format", "size", "id", "created_at", "updated_at")
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
_VISIBILITIES = ("public", "private", "shared", "community", "all")
_MEMBER_STATUSES = ("pending", "accepted", "rejected", "all")
_NUMBER = re.compile(r"\s*[+-]?[0-9]{1,18}\s*")
_NUMBERS = ("size", "virtual_size", "min_ram", "min_disk")
_TEXTS = ("owner", "checksum", "os_hash_algo", "os_hash_value")

_MOST = 256  # filters of one list: each is a condition of the query, and databases take so many


class ListQuery(Struct, frozen=True):
    """A parsed list request."""

    filters: Mapping[str, str]
    tags: tuple[str, ...]
    page: Page
    visibility: str | None
    member_status: str


def parse(query: Query) -> ListQuery:
    """The query string of a list. Raises 400 with Glance's words."""
    rest = {name: values[-1] for name, values in query.items() if name not in _TAKEN}
    visibility = last(query, "visibility") or None
    if visibility is not None and visibility not in _VISIBILITIES:
        raise BadRequest(f"Invalid visibility value: {visibility}")
    if rest.pop("changes-since", None):
        raise BadRequest('The "changes-since" filter is no longer available on v2.')
    status = query.get("member_status", ["accepted"])[-1]
    if status not in _MEMBER_STATUSES:
        raise BadRequest(f"Invalid status: {status}")
    if len(rest) > _MOST:
        raise BadRequest(f"The query has more than {_MOST} filters.")
    hidden = rest.setdefault("os_hidden", "false").lower()
    for name, value in (("os_hidden", hidden), ("protected", rest.get("protected", "false"))):
        if value not in ("true", "false"):
            raise BadRequest(f"Invalid value '{value}' for '{name}' filter. Valid values are 'true' or 'false'.")
    page = Page(pages.DIALECT.limit(query), last(query, "marker"), _sort(query))
    tagged = tuple(tag.strip() for tag in query.get("tag", ()))
    return ListQuery(rest, tagged, page, visibility, status)


_TAKEN = ("visibility", "member_status", "limit", "marker", "sort", "sort_key", "sort_dir", "tag", "deleted")


def _sort(query: Query) -> tuple[tuple[str, bool], ...]:
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
            choices = ", ".join(SORT_KEYS)
            raise BadRequest(f"Invalid sort key: {key}. It must be one of the following: {choices}.")
    order = {
        key: pages.DIALECT.descends(direction) for key, direction in zip(reversed(keys), reversed(dirs), strict=True)
    }
    return tuple((key, order[key]) for key in dict.fromkeys(keys))


def listed(tx: Transaction, guard: Guard, wanted: ListQuery) -> list[model.Image]:
    """A page of images with their tags. Two queries, four with a marker. Raises 400."""
    rows = _plainly(tx, guard.caller, wanted) if _is_plain(guard.caller, wanted) else _rows(tx, guard, wanted)
    labels = model.tags_of(tx, [row.id for row in rows])
    return [model.Image(row, labels.get(row.id, ())) for row in rows]


def _is_plain(caller: Caller, wanted: ListQuery) -> bool:
    """Whether this is the list that most clients ask for again and again: a first page without filters."""
    page = wanted.page
    unfiltered = not wanted.tags and len(wanted.filters) == 1  # os_hidden, which has a default
    return unfiltered and page.marker is None and page.limit is not None and caller.project_id is not None


def _plainly(tx: Transaction, caller: Caller, wanted: ListQuery) -> Sequence[ImageRow]:
    """The same rows by a statement that is made once for all callers."""
    statement = _plain(caller.is_admin, wanted.visibility, wanted.member_status, wanted.page.sort)
    hidden = wanted.filters["os_hidden"].lower() == "true"
    return tx.rows(statement, {"project": caller.project_id, "hidden": hidden, "limit": wanted.page.limit})


@lru_cache(maxsize=200)
def _plain(
    admin: bool, visibility: str | None, member_status: str, sort: tuple[tuple[str, bool], ...]
) -> Prepared[ImageRow]:
    project = bindparam("project", type_=String)
    status = None if member_status == "all" else member_status
    shown = _shown(true() if admin else model.visible_to(project, status), project, visibility)
    hidden = images.c.os_hidden == bindparam("hidden", type_=Boolean)
    statement = select_as(ImageRow).where(images.c.deleted_at.is_(None), shown, hidden)
    return Prepared(first_page(statement, _COLUMNS, sort, images.c.id))


def _rows(tx: Transaction, guard: Guard, wanted: ListQuery) -> Sequence[ImageRow]:
    caller = guard.caller
    where = [images.c.deleted_at.is_(None), _scope(caller, wanted)]
    where += [_condition(name, value, guard) for name, value in wanted.filters.items()]
    if wanted.tags:
        where.append(_tagged(set(wanted.tags)))
    seen = select_as(ImageRow).where(model.visible(caller))
    try:
        return paged(tx, select_as(ImageRow).where(*where), _COLUMNS, wanted.page, images.c.id, seen)
    except MarkerNotFound as missing:
        raise BadRequest(f"No image found with ID {missing.marker}") from None


def _tagged(wanted: set[str]) -> ColumnElement[bool]:
    """Images with all of these tags."""
    having = select(tags.c.image_id).where(in_list(tags.c.value, wanted)).group_by(tags.c.image_id)
    return images.c.id.in_(having.having(func.count() == len(wanted)))


def _scope(caller: Caller, wanted: ListQuery) -> ColumnElement[bool]:
    """What the list shows of what the caller may see: others' community images only when asked for."""
    status = None if wanted.member_status == "all" else wanted.member_status
    return _shown(model.visible(caller, status), caller.project_id, wanted.visibility)


def _shown(visible: ColumnElement[bool], project: model.Project, visibility: str | None) -> ColumnElement[bool]:
    if visibility is None:
        own = images.c.owner == project
        return and_(visible, or_(images.c.visibility != "community", own))
    if visibility == "all":
        return visible
    return and_(visible, images.c.visibility == visibility)


def _condition(name: str, value: str, guard: Guard) -> ColumnElement[bool]:
    if name in _LISTED:
        return _text(name, value)
    if name in _TIMES:
        return _time(name, value)
    base, _, bound = name.rpartition("_")
    if bound in ("min", "max") and base in _NUMBERS:
        number = _number(value, "Unable to filter on a range with a non-numeric value.")
        return images.c[base] >= number if bound == "min" else images.c[base] <= number
    if name in _NUMBERS:
        return images.c[name] == _number(value, f"Invalid value '{value}' for '{name}' filter: it is a number.")
    if name in ("protected", "os_hidden"):
        return images.c[name] == (value.lower() == "true")
    if name in _TEXTS:
        return images.c[name] == value
    if set('"\\\0') & set(name) or not guard.may("read", name):
        return false()  # SQLite's paths into JSON have no way to write the first two
    same: ColumnElement[bool] = images.c.properties[name].as_string() == value
    return same


def _text(name: str, value: str) -> ColumnElement[bool]:
    operator, colon, rest = value.partition(":")
    if not colon or _is_time(value):
        return images.c[name] == value
    if operator == "in":
        return images.c[name].in_(_quoted(rest))
    if operator != "eq":
        raise BadRequest(f"Unable to filter by unknown operator '{operator}'.")
    return images.c[name] == rest


def _is_time(text: str) -> bool:
    try:
        parse_iso(text)
    except (ValueError, OverflowError):
        return False
    return True


_PIECE = re.compile(r'"([^"\\]*(?:\\.[^"\\]*)*)",?|([^,]+),?|,')
_QUOTE = re.compile(r'(?<!\\)"')


def _quoted(text: str) -> list[str]:
    """Values of an ``in:`` list, divided by commas; a value that holds one stands in double quotes."""
    opening = True
    for quote in _QUOTE.finditer(text):
        at = quote.start()
        if opening and at and text[at - 1] != ",":
            raise BadRequest(f"Invalid filter value {text}. There is no comma before opening quotation mark.")
        if not opening and at + 1 != len(text) and text[at + 1] != ",":
            raise BadRequest(f"Invalid filter value {text}. There is no comma after closing quotation mark.")
        opening = not opening
    if not opening:
        raise BadRequest(f"Invalid filter value {text}. The quote is not closed.")
    return [piece[1] or piece[2] or "" for piece in _PIECE.finditer(text)]


def _time(name: str, value: str) -> ColumnElement[bool]:
    """A time is compared in whole seconds: clients see no smaller ones."""
    operator, _, rest = ("eq", ":", value) if _is_time(value) else value.partition(":")
    if not _is_time(rest):
        raise BadRequest(f'Bad "{name}" query filter format. Use ISO 8601 DateTime notation.')
    if operator not in _COMPARE:
        raise BadRequest("Unable to filter on a unknown operator.")
    at = parse_iso(rest)
    second = images.c[name] - images.c[name] % 1_000_000
    return _COMPARE[operator](second, at - at % 1_000_000)


def _number(value: str, otherwise: str) -> int:
    if not _NUMBER.fullmatch(value):
        raise BadRequest(otherwise)
    return int(value)
