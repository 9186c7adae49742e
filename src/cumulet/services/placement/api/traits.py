"""Traits: what a provider is capable of, in words."""

from __future__ import annotations

import re
from typing import Any

from cumulet.http import Wire
from cumulet.http.bodies import EMPTY, Query
from cumulet.http.call import Call, Reply
from cumulet.http.faults import BadRequest, NotFound
from cumulet.services.placement.model import inventories, providers, traits
from cumulet.services.placement.service import placement as service
from cumulet.services.placement.wire import queries
from cumulet.services.placement.wire.freshness import dated
from cumulet.services.placement.wire.traits import QUERY, TRAITS, TRAITS_OF_PROVIDER

_CUSTOM = re.compile(r"CUSTOM_[A-Z0-9_]{1,248}")
_OF = "/resource_providers/{provider}/traits"


class ProviderTraits(Wire):
    """A provider's traits, at a generation."""

    traits: list[str]
    resource_provider_generation: int


@service.get("/traits", since=(1, 6), policy="placement:traits:list", response=TRAITS, query=QUERY)
def index(call: Call) -> Reply:
    """List traits."""
    queries.refuse_others(call.query, {"name", "associated"})
    associated = call.query.get("associated", [""])[-1].lower()
    if associated not in ("", "true", "false"):
        raise BadRequest('The query parameter "associated" only accepts "true" or "false"')
    wanted = call.query.get("name", [None])[-1]
    operator, colon, value = (wanted or "").partition(":")
    if wanted is not None and (not colon or operator not in ("in", "startswith")):
        raise BadRequest(
            "Badly formatted name parameter. Expected name query string parameter in form: "
            f'?name=[in|startswith]:[name1,name2|prefix]. Got: "{wanted}"'
        )
    found = traits.names(call.tx, None if not associated else associated == "true")
    if operator == "in":
        found = [name for name in found if name in value.split(",")]
    elif operator == "startswith":
        found = [name for name in found if name.startswith(value)]
    return dated(call, {"traits": found})


@service.get("/traits/{name}", status=204, since=(1, 6), policy="placement:traits:show", response=EMPTY)
def show(call: Call, name: str) -> Reply:
    """Whether a trait is there."""
    if traits.missing(call.tx, [name]):
        raise NotFound(f"No such trait(s): {name}.")
    return dated(call)


@service.put("/traits/{name}", since=(1, 6), policy="placement:traits:update", response=EMPTY)
def ensure(call: Call, name: str) -> Reply:
    """Make sure that a custom trait is there."""
    if not _CUSTOM.fullmatch(name):
        raise BadRequest(
            "The trait is invalid. A valid trait must be no longer than 255 characters, start with the prefix "
            '"CUSTOM_" and use following characters: "A"-"Z", "0"-"9" and "_"'
        )
    reply = dated(call, status=201 if traits.create(call.tx, name) else 204)
    reply.headers = {**reply.headers, "Location": f"{call.base_url}/traits/{name}"}
    return reply


@service.delete("/traits/{name}", since=(1, 6), policy="placement:traits:delete")
def delete(call: Call, name: str) -> None:
    """Delete a custom trait that no provider has."""
    traits.delete(call.tx, name)


def _body(names: list[str], generation: int) -> dict[str, Any]:
    return {"traits": names, "resource_provider_generation": generation}


@service.get(
    _OF, since=(1, 6), policy="placement:resource_providers:traits:list", response=TRAITS_OF_PROVIDER, query=Query({})
)
def of_provider(call: Call, provider: str) -> Reply:
    """List a provider's traits."""
    row = providers.get(call.tx, provider)
    return dated(call, _body(traits.of_providers(call.tx, [provider]).get(provider, []), row.generation))


@service.put(
    _OF,
    since=(1, 6),
    request=ProviderTraits,
    policy="placement:resource_providers:traits:update",
    response=TRAITS_OF_PROVIDER,
)
def replace(call: Call, provider: str) -> Reply:
    """Replace a provider's traits."""
    row, seen = providers.get(call.tx, provider), call.body.resource_provider_generation
    providers.require_generation(row, seen)
    unknown = traits.missing(call.tx, call.body.traits)
    if unknown:
        raise BadRequest(f"No such trait {', '.join(unknown)}")
    traits.assign(call.tx, provider, call.body.traits)
    generation = inventories.advance(call.tx, provider, row.generation)
    return dated(call, _body(sorted(set(call.body.traits)), generation))


@service.delete(_OF, since=(1, 6), policy="placement:resource_providers:traits:delete")
def clear(call: Call, provider: str) -> None:
    """Take all traits from a provider."""
    row = providers.get(call.tx, provider)
    traits.assign(call.tx, provider, [])
    inventories.advance(call.tx, provider, row.generation)
