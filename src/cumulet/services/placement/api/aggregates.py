"""Aggregates of a provider: sets that only have a UUID."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from cumulet.http.bodies import Query
from cumulet.http.call import Call, Reply
from cumulet.http.reading import decoded
from cumulet.http.shapes import Invalid, parse
from cumulet.services.placement.model import providers
from cumulet.services.placement.service import placement as service
from cumulet.services.placement.wire import words
from cumulet.services.placement.wire.aggregates import AGGREGATES
from cumulet.services.placement.wire.freshness import dated
from cumulet.services.placement.wire.queries import uuid_like
from cumulet.services.placement.wire.resource_providers import AggregatesUpdate

_PATH = "/resource_providers/{provider}/aggregates"


def _body(call: Call, aggregates: list[str], generation: int) -> dict[str, Any]:
    body: dict[str, Any] = {"aggregates": aggregates}
    return body | {"resource_provider_generation": generation} if call.version >= (1, 19) else body


@service.get(
    _PATH, since=(1, 1), policy="placement:resource_providers:aggregates:list", response=AGGREGATES, query=Query({})
)
def index(call: Call, provider: str) -> Reply:
    """List a provider's aggregates."""
    row = providers.get(call.tx, provider)
    return dated(call, _body(call, providers.aggregates(call.tx, provider), row.generation), row.updated_at)


@service.put(
    _PATH,
    since=(1, 1),
    until=(1, 18),
    request=list,
    policy="placement:resource_providers:aggregates:update",
    response=AGGREGATES,
)
def replace(call: Call, provider: str) -> Reply:
    """Replace a provider's aggregates."""
    return _write(call, provider, call.body, None)


@service.put(
    _PATH,
    since=(1, 19),
    request=AggregatesUpdate,
    raw_body=True,
    policy="placement:resource_providers:aggregates:update",
    response=AGGREGATES,
)
def update(call: Call, provider: str) -> Reply:
    """Replace a provider's aggregates, if nobody changed the provider meanwhile."""
    providers.get(call.tx, provider)  # a client that sends the older body to a provider that is gone gets the 404
    try:
        body = parse(AggregatesUpdate, decoded(call.body), call.version)
    except Invalid as invalid:
        raise words.body(invalid) from None
    return _write(call, provider, body.aggregates, body.resource_provider_generation)


def _uuid(place: str, text: Any) -> str:
    if not isinstance(text, str):
        raise words.body(Invalid(place, text, f"{text!r} is not of type 'string'"))
    if not uuid_like(text):
        raise words.body(Invalid(place, text, f"{text!r} is not a 'uuid'"))
    return str(UUID(text))


def _write(call: Call, provider: str, given: list[Any], generation: int | None) -> Reply:
    whole = "" if generation is None else "aggregates"
    uuids = [_uuid(f"{whole}.{number}", text) for number, text in enumerate(given)]
    if len(set(uuids)) != len(uuids):
        raise words.body(Invalid(whole, given, f"{given!r} has non-unique elements"))
    after = providers.set_aggregates(call.tx, providers.get(call.tx, provider), uuids, generation)
    return dated(call, _body(call, uuids, after))
