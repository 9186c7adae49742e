"""Allocations, by consumer and by provider."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from msgspec import UNSET, to_builtins

from cumulet.http.bodies import Query
from cumulet.http.call import Call, Reply
from cumulet.http.faults import BadRequest, Conflict, NotFound
from cumulet.http.shapes import Invalid, parse
from cumulet.services.placement.model import allocations as model
from cumulet.services.placement.model import classes, providers
from cumulet.services.placement.model.inventories import CONCURRENT
from cumulet.services.placement.service import placement as service
from cumulet.services.placement.wire import allocations as wire
from cumulet.services.placement.wire import words
from cumulet.services.placement.wire.freshness import dated
from cumulet.services.placement.wire.queries import uuid_like

_NOBODY = "00000000-0000-0000-0000-000000000000"
_DASHED = re.compile("[0-9a-fA-F-]{36}")

Checked = tuple[dict[str, model.Holding], dict[str, int | None]]
"""What each consumer shall hold, and the generation at which the client saw it (not before 1.28)."""


@service.get("/allocations/{consumer}", policy="placement:allocations:list", response=wire.OF_CONSUMER)
def show(call: Call, consumer: str) -> Reply:
    """What a consumer holds; nothing is no error."""
    rows = model.held_by(call.tx, consumer)
    holder = model.consumer(call.tx, consumer) if rows else None
    changed = max((row.updated_at for row in rows), default=None)
    return dated(call, wire.shown_for_consumer(rows, holder, call.version), changed)


@service.get(
    "/resource_providers/{provider}/allocations",
    policy="placement:resource_providers:allocations:list",
    response=wire.ON_PROVIDER,
    query=Query({}),
)
def on_provider(call: Call, provider: str) -> Reply:
    """What is held on a provider, by consumer."""
    row = providers.get(call.tx, provider)
    held = model.held_on(call.tx, provider)
    changed = max((one.updated_at for one in held), default=None)
    return dated(call, wire.shown_on_provider(held, row.generation, call.version), changed)


@service.put(
    "/allocations/{consumer}",
    status=204,
    until=(1, 11),
    request=wire.ListedAllocations,
    policy="placement:allocations:update",
)
def replace_listed(call: Call, consumer: str) -> None:
    """Give a consumer what it asks for, in the old form."""
    consumer, body = _uuid(consumer), call.body
    if call.version >= (1, 8) and UNSET in (body.project_id, body.user_id):
        missing = "project_id" if body.project_id is UNSET else "user_id"
        raise words.body(Invalid("", call.raw, f"{missing!r} is a required property"))
    for place, one in enumerate(body.allocations):
        given = one.resource_provider.uuid
        if not uuid_like(given):
            raise words.body(
                Invalid(f"allocations.{place}.resource_provider.uuid", given, f"{given!r} is not a 'uuid'")
            )
    taken = {one.resource_provider.uuid: dict(one.resources) for one in body.allocations}
    project = _NOBODY if body.project_id is UNSET else body.project_id
    user = _NOBODY if body.user_id is UNSET else body.user_id
    holdings = {consumer: model.Holding(consumer, taken, project, user)}
    with refusals(call, holdings, {}):
        model.replace(call.tx, list(holdings.values()))


@service.put(
    "/allocations/{consumer}",
    status=204,
    since=(1, 12),
    request=wire.Allocations,
    policy="placement:allocations:update",
)
def replace(call: Call, consumer: str) -> None:
    """Give a consumer what it asks for, instead of what it holds."""
    if not call.body.allocations and call.version < (1, 28):
        raise words.body(Invalid("", {}, "{} does not have enough properties"))
    holdings, generations = _checked(call, {_uuid(consumer): call.body})
    with refusals(call, holdings, generations):
        model.replace(call.tx, list(holdings.values()))


@service.post("/allocations", status=204, since=(1, 13), request=dict, policy="placement:allocations:manage")
def replace_several(call: Call) -> None:
    """Give several consumers what they ask for: all of them or none."""
    if not call.body:
        raise words.body(Invalid("", {}, "{} does not have enough properties"))
    holdings, generations = checked(call, call.body)
    with refusals(call, holdings, generations):
        model.replace(call.tx, list(holdings.values()))


def checked(call: Call, raw: Mapping[str, Any]) -> Checked:
    """The allocations of several consumers. Raises 400."""
    _require_dashed("", raw)
    return _checked(call, {name: parse(wire.Allocations, body, call.version) for name, body in raw.items()})


def _uuid(consumer: str) -> str:
    if not uuid_like(consumer):
        raise BadRequest(f"Malformed consumer_uuid: {consumer}")
    return str(UUID(consumer))


def _require_dashed(path: str, named: Mapping[str, Any]) -> None:
    """Raise 400 unless every name of the object at `path` is of the form of a UUID."""
    strange = sorted(name for name in named if not _DASHED.fullmatch(name))
    if strange:
        verb = "does" if len(strange) == 1 else "do"
        which = ", ".join(map(repr, strange))
        raise words.body(
            Invalid(path, to_builtins(named), f"{which} {verb} not match any of the regexes: '^[0-9a-fA-F-]{{36}}$'")
        )


def _checked(call: Call, wanted: Mapping[str, wire.Allocations]) -> Checked:
    holdings: dict[str, model.Holding] = {}
    generations: dict[str, int | None] = {}
    for consumer, body in wanted.items():
        for field, since in (("consumer_generation", (1, 28)), ("consumer_type", (1, 38))):
            if call.version >= since and getattr(body, field) is UNSET:
                raise words.body(Invalid("", body, f"{field!r} is a required property"))
        _require_dashed("allocations" if len(wanted) == 1 else f"{consumer}.allocations", body.allocations)
        taken = {provider: dict(one.resources) for provider, one in body.allocations.items()}
        kind = None if body.consumer_type is UNSET else body.consumer_type
        holdings[consumer] = model.Holding(consumer, taken, body.project_id, body.user_id, kind)
        if body.consumer_generation is not UNSET:
            generations[consumer] = body.consumer_generation
    return holdings, generations


@contextmanager
def refusals(
    call: Call, holdings: Mapping[str, model.Holding], generations: Mapping[str, int | None]
) -> Iterator[None]:
    """Around the replacing of allocations: checks what the client saw, and answers what cannot be with 400 and 409."""
    if generations:
        _check_generations(call, generations)
    names = {name for one in holdings.values() for taken in one.resources.values() for name in taken}
    unknown = classes.missing(call.tx, sorted(names))
    if unknown:
        who = next(iter(holdings))
        raise BadRequest(f"Unable to allocate inventory for consumer {who}: No such resource class {unknown[0]}.")
    try:
        yield
    except model.NoProvider as missing:
        raise BadRequest(f"Allocation for resource provider '{missing}' that does not exist.") from None
    except (model.NoInventory, model.NoRoom) as full:
        raise Conflict(f"Unable to allocate inventory: {full}") from None


def _check_generations(call: Call, generations: Mapping[str, int | None]) -> None:
    present = model.consumers_of(call.tx, list(generations))
    for consumer, seen in generations.items():
        now: Any = present[consumer].generation if consumer in present else None
        if now != seen:
            shown = "null" if now is None else now
            raise Conflict(f"consumer generation conflict - expected {shown} but got {seen}", code=CONCURRENT)


@service.delete("/allocations/{consumer}", policy="placement:allocations:delete")
def delete(call: Call, consumer: str) -> None:
    """Take everything from a consumer."""
    if not model.release(call.tx, consumer):
        raise NotFound(f"No allocations for consumer '{consumer}'")
