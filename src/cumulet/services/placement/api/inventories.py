"""Inventories of a provider."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import UNSET

from cumulet.http.bodies import Query
from cumulet.http.call import Call, Reply
from cumulet.http.faults import Conflict, Fault, NotFound
from cumulet.services.placement.model import inventories as model
from cumulet.services.placement.model import providers
from cumulet.services.placement.service import placement as service
from cumulet.services.placement.wire import inventories as wire
from cumulet.services.placement.wire.freshness import dated

_ALL = "/resource_providers/{provider}/inventories"
_ONE = f"{_ALL}/{{name}}"
_RULE = "placement:resource_providers:inventories"


@service.get(_ALL, policy=f"{_RULE}:list", response=wire.INVENTORIES, query=Query({}))
def index(call: Call, provider: str) -> Reply:
    """List a provider's inventories."""
    row = providers.get(call.tx, provider)
    return _all(call, provider, row.generation)


def _all(call: Call, provider: str, generation: int) -> Reply:
    found = model.of(call.tx, provider)
    shown = {name: wire.shown(row) for name, row in found.items()}
    changed = max((row.updated_at for row in found.values()), default=None)
    return dated(call, {"resource_provider_generation": generation, "inventories": shown}, changed)


@service.put(_ALL, request=wire.InventoriesUpdate, policy=f"{_RULE}:update", response=wire.INVENTORIES)
def replace(call: Call, provider: str) -> Reply:
    """Replace all of a provider's inventories."""
    wanted = {name: wire.parsed(fields) for name, fields in call.body.inventories.items()}
    generation = _write(call, provider, wanted, call.body.resource_provider_generation, only=True)
    return _all(call, provider, generation)


def _write(
    call: Call, provider: str, wanted: Mapping[str, model.Inventory], generation: int | None, *, only: bool
) -> int:
    """Write inventories at the generation that the client saw; the generation afterwards."""
    row = providers.get(call.tx, provider)
    if generation is not None and generation != row.generation:
        raise Conflict("resource provider generation conflict", code=model.CONCURRENT)
    verb = "create" if call.method == "POST" else "update"
    model.check(call.tx, provider, wanted, verb, reserved_may_be_total=call.version >= (1, 26))
    if call.method == "PUT" and not only:
        model.require(call.tx, provider, wanted)
    model.write(call.tx, provider, wanted, keep_others=not only)
    return model.advance(call.tx, provider, row.generation)


@service.delete(_ALL, until=(1, 4), policy=f"{_RULE}:delete")
def keep(call: Call, provider: str) -> None:
    """Refuse to delete all of a provider's inventories: there is no such method yet."""
    raise Fault(
        "The method specified is not allowed for this resource.", status=405, headers={"Allow": "GET, POST, PUT"}
    )


@service.delete(_ALL, since=(1, 5), policy=f"{_RULE}:delete")
def clear(call: Call, provider: str) -> None:
    """Delete all of a provider's inventories."""
    _write(call, provider, {}, None, only=True)


@service.post(_ALL, status=201, request=wire.InventoryCreate, policy=f"{_RULE}:create", response=wire.INVENTORY)
def create(call: Call, provider: str) -> Reply:
    """Add one inventory."""
    name, given = call.body.resource_class, call.body.resource_provider_generation
    if name in model.of(call.tx, provider):
        raise Conflict(f"Update conflict: inventory of {name} is there already", code=model.CONCURRENT)
    wanted = {name: wire.parsed(call.body)}
    generation = _write(call, provider, wanted, None if given is UNSET else given, only=False)
    reply = _one(call, provider, name, generation)
    reply.headers = {**reply.headers, "Location": f"{call.base_url}/resource_providers/{provider}/inventories/{name}"}
    return reply


def _one(call: Call, provider: str, name: str, generation: int) -> Reply:
    row = model.of(call.tx, provider).get(name)
    if row is None:
        raise NotFound(f"No inventory of class {name} for {provider}")
    return dated(call, {**wire.shown(row), "resource_provider_generation": generation}, row.updated_at)


@service.get(_ONE, policy=f"{_RULE}:show", response=wire.INVENTORY)
def show(call: Call, provider: str, name: str) -> Reply:
    """Show one inventory."""
    return _one(call, provider, name, providers.get(call.tx, provider).generation)


@service.put(_ONE, request=wire.InventoryUpdate, policy=f"{_RULE}:update", response=wire.INVENTORY)
def update(call: Call, provider: str, name: str) -> Reply:
    """Change one inventory."""
    wanted = {name: wire.parsed(call.body)}
    generation = _write(call, provider, wanted, call.body.resource_provider_generation, only=False)
    return _one(call, provider, name, generation)


@service.delete(_ONE, policy=f"{_RULE}:delete")
def delete(call: Call, provider: str, name: str) -> None:
    """Delete one inventory."""
    row = providers.get(call.tx, provider)
    model.delete_one(call.tx, provider, name)
    model.advance(call.tx, provider, row.generation)
