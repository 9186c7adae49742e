"""The five operations of a plain noun, which come from the noun. Write a function only to differ.

crud(service, NOUN, model)                      # list, show, create, update, delete
crud(service, NOUN, model, but="list update")   # these two are written by hand, or are not there
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Protocol, cast

from msgspec import Struct

from cumulet.auth import Caller
from cumulet.db import Transaction
from cumulet.http import Call, Service
from cumulet.services.network import bodies
from cumulet.services.network.bodies import FIELDS, Changed, Created, Creation, Filters, Shown, ShownList
from cumulet.services.network.extension import Body
from cumulet.services.network.model import quotas
from cumulet.services.network.model.nouns import Noun
from cumulet.services.network.nouns import (
    Change,
    Deleted,
    Listed,
    Seen,
    Updated,
    created,
    find,
    listing,
    one,
    owner,
    require,
    room,
    show,
    target_of,
)
from cumulet.services.network.tables import StandardRow


class Deletes(Protocol):
    """The module of a noun's rows that are made in their own way and never changed."""

    @property
    def delete(self) -> Callable[[Transaction, Caller, Any], None]:
        """Delete one."""


class Model(Deletes, Protocol):
    """The module of a noun's rows. Each function raises the faults of its noun."""

    @property
    def create(self) -> Callable[[Transaction, Caller, str, Mapping[str, Any], Any], str]:
        """Make one for a project, of values that were accepted, on what it hangs on; its id."""

    @property
    def update(self) -> Callable[[Transaction, Caller, Any, dict[str, Any]], None]:
        """Change one."""


class Plan(Struct, frozen=True):
    """One that shall be made: for a project, of values that were accepted, on the row that it hangs on."""

    project_id: str
    values: Mapping[str, Any]
    parent: StandardRow | None


def crud(service: Service, noun: Noun, model: Model | Deletes, *, but: str = "", **create: Any) -> None:
    """Declare the operations of a noun, but those that are named. `create`: further options of the create."""
    one_of, many_of = noun.words
    makers: dict[str, Callable[[], Callable[..., Any]]] = {
        "list": lambda: _list(service, noun),
        "show": lambda: _show(service, noun),
        "create": lambda: _create(service, noun, cast(Model, model), create),
        "update": lambda: _update(service, noun, cast(Model, model)),
        "delete": lambda: _delete(service, noun, model),
    }
    several = ", or several at once" if noun.bulk else ""
    documents = {
        "list": ("s", f"List {many_of}."),
        "show": ("", f"Show a {one_of}."),
        "create": ("s" if noun.bulk else "", f"Create a {one_of}{several}."),
        "update": ("", f"Update a {one_of}."),
        "delete": ("", f"Delete a {one_of}."),
    }
    for verb in [each for each in makers if each not in but.split()]:
        handler = makers[verb]()
        ending, handler.__doc__ = documents[verb]
        handler.__name__ = f"{verb}_{noun.name}{ending}"
        handler.__module__ = f"{__package__}.api.{noun.core.plural}"


def _list(service: Service, noun: Noun) -> Callable[..., Any]:
    @service.get(
        noun.path, response=ShownList(noun), query=Filters(noun), target=Listed(noun), policy=f"get_{noun.name}"
    )
    def handler(call: Call, allowed: bool) -> Body:
        return listing(call, noun, allowed)

    return handler


def _show(service: Service, noun: Noun) -> Callable[..., Any]:
    path = f"{noun.path}/{{{noun.parameter}}}"

    @service.get(path, response=Shown(noun), query=FIELDS, target=Seen(noun), policy=f"get_{noun.name}")
    def handler(call: Call, row: StandardRow) -> Body:
        return show(call, noun, row)

    return handler


def _create(service: Service, noun: Noun, model: Model, options: Mapping[str, Any]) -> Callable[..., Any]:
    declared = {"status": 201, "policy_in_handler": f"create_{noun.name}", "request": Creation(noun)}
    response = Created(noun) if noun.bulk else Changed(noun)

    @service.post(noun.path, response=response, **declared, **options)
    def handler(call: Call) -> Body:
        items, bulk = call.body
        room(call, noun, items)
        return make(call, noun, model, [plan(call, noun, given) for given in items], bulk=bulk)

    return handler


def plan(call: Call, noun: Noun, given: Mapping[str, Any], *, asked: Mapping[str, Any] | None = None) -> Plan:
    """What shall be made of one body. Raises 400, 404 and `Forbidden`. `asked`: the attributes that the caller must be
    allowed to give, where these are not all that were given."""
    values = noun.resource.accept(given, creating=True)
    project_id = owner(call, given)
    parent = None
    if noun.hangs_on is not None:
        attribute, other = noun.hangs_on
        parent = find(call, other, values[attribute])
    about = noun.hangs_on[1].parent if noun.hangs_on else None
    seen = about(parent) if about is not None and parent is not None else None
    target = target_of(noun, {**values, "project_id": project_id}, seen)
    require(call, noun, "create", target, given if asked is None else asked)
    return Plan(project_id, values, parent)


def make(call: Call, noun: Noun, model: Model, plans: list[Plan], *, bulk: bool) -> Body:
    """Make what was planned, when quotas have room for all of it. Raises 409."""
    for project_id, count in Counter(each.project_id for each in plans).items():
        quotas.reserve(call.tx, project_id, {name: count * number for name, number in noun.takes.items()})
    ids = [model.create(call.tx, call.caller, each.project_id, each.values, each.parent) for each in plans]
    return created(call, noun, ids, bulk=bulk)


def _update(service: Service, noun: Noun, model: Model) -> Callable[..., Any]:
    path = f"{noun.path}/{{{noun.parameter}}}"

    declared = {"policy": f"update_{noun.name}", "request": bodies.Change(noun), "response": Changed(noun)}

    @service.put(path, target=Updated(noun), **declared)
    def handler(call: Call, change: Change) -> Body:
        values = noun.resource.accept(change.given, creating=False)
        model.update(call.tx, call.caller, change.row, values)
        return one(call, noun, change.row.id)

    return handler


def _delete(service: Service, noun: Noun, model: Deletes) -> Callable[..., Any]:
    @service.delete(f"{noun.path}/{{{noun.parameter}}}", target=Deleted(noun), policy=f"delete_{noun.name}")
    def handler(call: Call, row: StandardRow) -> None:
        model.delete(call.tx, call.caller, row)

    return handler
