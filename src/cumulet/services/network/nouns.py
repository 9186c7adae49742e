"""What the operations of all nouns share: who may do what to which attributes, and lists.

With these the operations in ``api`` are a few lines each. What touches rows is in ``model/nouns``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from cumulet.auth import Forbidden
from cumulet.db import Page
from cumulet.desired import texts
from cumulet.http import Call, Target
from cumulet.http.collections import PAGING, Dialect, last, page_url
from cumulet.http.faults import Fault
from cumulet.services.network import faults
from cumulet.services.network.extension import Body
from cumulet.services.network.model import quotas
from cumulet.services.network.model.nouns import Noun, bodies, find_row, matching, no_filter, rows_of
from cumulet.services.network.tables import StandardRow

# ---- who may do what


def target_of(noun: Noun, body: Mapping[str, Any], parent: Mapping[str, Any] | None) -> Body:
    """What policy sees of a resource: its attributes and the owner of what it belongs to."""
    target = dict(body)
    if parent is not None:
        for prefix in ("network", "ext_parent"):
            target[f"{prefix}:project_id"] = target[f"{prefix}:tenant_id"] = parent["project_id"]
        target["shared"] = parent.get("shared", False)
        target["router:external"] = parent.get("external", False)
    return target


def require(call: Call, noun: Noun, action: str, target: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Raise `Forbidden` unless the caller may do `action` to the target with all the attributes `given`."""
    rule = f"{action}_{noun.name}"
    parts = [rule, *(part for name in given for part in _attribute_rules(call, noun, rule, name, given[name]))]
    refused = [part for part in parts if not call.allows(part, target)]
    if refused:
        names = list(dict.fromkeys([rule, *refused]))
        raise Forbidden(names[0] if len(names) == 1 else "(" + " and ".join(f"rule:{name}" for name in names) + ")")


def _attribute_rules(call: Call, noun: Noun, rule: str, name: str, value: Any) -> list[str]:
    attribute = noun.resource.attributes.get(name)
    if attribute is None or not attribute.guarded or f"{rule}:{name}" not in call.policy.defaults:
        return []
    items = value if isinstance(value, list) else [value]
    keys = {key for item in items if isinstance(item, dict) for key in item}
    inner = [f"{rule}:{name}:{key}" for key in sorted(keys) if f"{rule}:{name}:{key}" in call.policy.defaults]
    if inner and isinstance(value, list):
        return inner
    return [f"{rule}:{name}", *inner]


def owner(call: Call, given: Mapping[str, Any]) -> str:
    """The project of a new resource. Raises 400 for somebody else's."""
    asked = {str(given[name]) for name in ("tenant_id", "project_id") if given.get(name)}
    if len(asked) > 1:
        raise faults.bad_request("'project_id' and 'tenant_id' do not match")
    own = call.caller.project_id or ""
    project_id = asked.pop() if asked else own
    if project_id != own and not call.caller.is_admin:
        raise faults.bad_request(
            "Specifying 'project_id' or 'tenant_id' other than the authenticated project in request requires "
            "admin privileges"
        )
    if not project_id:
        raise faults.bad_request("Running without keystone AuthN requires that tenant_id is specified")
    return project_id


def room(call: Call, noun: Noun, items: Sequence[Any]) -> None:
    """Raise 409 for a list of new resources that the caller's quota has no room for, before each of them costs its
    look-ups: meanwhile nobody else writes. Administrators may make them for others, whose quotas are asked later."""
    if len(items) > 1 and not call.caller.is_admin and call.caller.project_id:
        quotas.reserve(call.tx, call.caller.project_id, {noun.name: len(items)})


# ---- one resource


def find(call: Call, noun: Noun, id: str) -> StandardRow:
    """The row that the caller sees under this id. Raises 404."""
    return find_row(call.tx, noun, call.caller, id)


def target(call: Call, noun: Noun, row: StandardRow) -> Body:
    """The policy target of a row."""
    body = {**row._mapping, "tenant_id": row.project_id}
    if "external" in body:
        body["router:external"] = body["external"]
    parents = noun.parents(call.tx, [row]) if noun.parents else {}
    return target_of(noun, body, parents.get(row.id))


def changeable(call: Call, noun: Noun, id: str, action: str, given: Mapping[str, Any] | None = None) -> StandardRow:
    """The row, when the caller may do `action` to it. Raises 404, or 403 for what the caller only sees."""
    row = find(call, noun, id)
    wanted = given or {}
    after = {name: wanted[name] for name in ("device_owner",) if name in wanted}
    require(call, noun, action, {**target(call, noun, row), **after}, wanted)
    return row


def hidden(call: Call, noun: Noun) -> list[str]:
    """Attributes that answers to the caller leave out. They cannot be asked about either: a filter would tell them."""
    return [
        name for name, attribute in noun.resource.attributes.items() if attribute.hidden and _hides(call, noun, name)
    ]


def _hides(call: Call, noun: Noun, name: str) -> bool:
    return not call.caller.is_admin and not call.allows(f"get_{noun.name}:{name}")


def shown(call: Call, noun: Noun, rows: Sequence[StandardRow]) -> list[Body]:
    """Bodies of rows as the caller may see them, with the ``fields`` asked for."""
    found = bodies(call.tx, noun, rows)
    for name in hidden(call, noun):
        for body in found:
            body.pop(name, None)
    wanted = {name for name in call.query.get("fields", ()) if name}
    if wanted:
        found = [{name: value for name, value in body.items() if name in wanted} for body in found]
    return found


def one(call: Call, noun: Noun, id: str) -> Body:
    """The answer to "show me this", to a create and to an update."""
    row = find(call, noun, id)
    return {noun.name: shown(call, noun, [row])[0]}


def show(call: Call, noun: Noun, row: StandardRow) -> Body:
    """The answer to a GET of one resource."""
    return {noun.name: shown(call, noun, [row])[0]}


def created(call: Call, noun: Noun, ids: Sequence[str], *, bulk: bool) -> Body:
    """The answer to a create of one or several."""
    found = shown(call, noun, rows_of(call.tx, noun, ids))
    return {noun.core.plural: found} if bulk else {noun.name: found[0]}


class Listed(Target):
    """Whether the caller may see anything of the noun at all: tokens that are not a project's see nothing, whatever
    their roles, as each row would be refused to them."""

    params = ()

    def __init__(self, noun: Noun) -> None:
        self.noun = noun

    def reached(self, call: Call) -> bool:
        """See `Target`; nobody is refused, a list may be empty."""
        own = {"project_id": call.caller.project_id, "tenant_id": call.caller.project_id}
        return call.allows(call.operation.policy or "", {**own, "shared": True, "router:external": True})


class Seen(Target):
    """The resource of a path that is to be shown: who may not see it is told that it is not there."""

    def __init__(self, noun: Noun) -> None:
        self.noun, self.params = noun, (noun.parameter,)

    def reached(self, call: Call) -> StandardRow:
        """See `Target`."""
        id = call.params[self.params[0]]
        row = find(call, self.noun, id)
        if not call.allows(call.operation.policy or "", target(call, self.noun, row)):
            raise faults.not_found(self.noun.name, id)
        return row


class Change(Struct, frozen=True):
    """A row that the caller may change, and what the body says that it shall become."""

    row: StandardRow
    given: Mapping[str, Any]


class Updated(Target):
    """The resource of a path that is to be changed with the attributes of the body: a `Change`, see `changeable`."""

    def __init__(self, noun: Noun) -> None:
        self.noun, self.params = noun, (noun.parameter,)

    def reached(self, call: Call) -> Change:
        """See `Target`."""
        given = call.body
        return Change(changeable(call, self.noun, call.params[self.params[0]], "update", given), given)


class Deleted(Target):
    """The resource of a path that is to be deleted: see `changeable`."""

    def __init__(self, noun: Noun) -> None:
        self.noun, self.params = noun, (noun.parameter,)

    def reached(self, call: Call) -> StandardRow:
        """See `Target`."""
        return changeable(call, self.noun, call.params[self.params[0]], "delete")


# ---- lists


def listing(call: Call, noun: Noun, allowed: bool) -> Body:
    """The answer to a GET of a collection: filtered, sorted, one page of it, with links to its neighbours; empty when
    nothing of it is for the caller (`allowed`)."""
    filters = {name: values for name, values in call.query.items() if name not in PAGING}
    page = _page(call, noun)
    _only_of_what_is_shown(call, noun, filters, page)
    rows = matching(call.tx, noun, call.caller, filters, page) if allowed else []
    body: Body = {noun.core.plural: shown(call, noun, rows)}
    if page.limit is not None:
        links = _links(call, noun, rows, page)
        if links:
            body[f"{noun.core.plural}_links"] = links
    return body


def _only_of_what_is_shown(call: Call, noun: Noun, filters: Mapping[str, Any], page: Page) -> None:
    """Refuse a filter or an order by what the caller does not see, as Neutron refuses attributes that do not exist."""
    attributes = noun.resource.attributes
    for name in filters:
        if name in attributes and attributes[name].hidden and _hides(call, noun, name):
            raise no_filter(name)
    for key, _ in page.sort:
        if key in attributes and attributes[key].hidden and _hides(call, noun, key):
            raise _no_sort_key(key)


def _no_sort_key(name: str) -> Exception:
    return faults.bad_request(f"['{name}'] is invalid attribute for sort_key")


def _page(call: Call, noun: Noun) -> Page:
    query = call.query
    limit = DIALECT.limit(query)
    keys, dirs = list(query.get("sort_key", ())), list(query.get("sort_dir", ()))
    if len(keys) != len(dirs):
        raise faults.bad_request("The number of sort_keys and sort_dirs must be same")
    for key in keys:
        if noun.column(key) is None:
            raise _no_sort_key(key)
    descending = [*map(DIALECT.descends, dirs)]
    reverse = (last(query, "page_reverse") or "").lower() == "true"
    return Page(limit, last(query, "marker") or None, tuple(zip(keys, descending, strict=True)), reverse)


def _number(text: str) -> int | None:
    if text.lower() == "infinite":
        return None
    try:
        return texts.whole(text, 0)
    except ValueError:
        raise faults.bad_request("Limit must be an integer 0 or greater and not '" + text + "'") from None


def _wrong_direction(_text: str) -> Fault:
    return faults.bad_request("Valid sort directions are 'asc' and 'desc'")


DIALECT = Dialect(number=_number, wrong_direction=_wrong_direction, most=2**31, zero_is_all=True)
"""Neutron's lists: whole unless a limit is given."""


def _links(call: Call, noun: Noun, rows: Sequence[StandardRow], page: Page) -> list[Body]:
    """Links to the next page and the one before."""
    if not rows:
        if page.marker is None or page.reverse:
            return []
        return [{"rel": "previous", "href": _href(call, None, reverse=True)}]  # from the end: the marker's row is in it
    found = []
    if len(rows) == page.limit or page.reverse:
        found.append({"rel": "next", "href": _href(call, rows[-1].id, reverse=False)})
    if len(rows) == page.limit if page.reverse else page.marker is not None:
        found.append({"rel": "previous", "href": _href(call, rows[0].id, reverse=True)})
    return found


def _href(call: Call, marker: str | None, *, reverse: bool) -> str:
    back = {"page_reverse": "True"} if reverse else {}
    return page_url(f"{call.base_url}{call.path}", call.query, marker, drop=("marker", "page_reverse"), **back)
