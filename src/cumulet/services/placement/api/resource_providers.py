"""Resource providers."""

from __future__ import annotations

import uuid
from typing import Any

from msgspec import UNSET

from cumulet.http.bodies import under
from cumulet.http.call import Call, Reply
from cumulet.http.faults import BadRequest
from cumulet.http.shapes import Invalid
from cumulet.services.placement.model import classes, providers, traits
from cumulet.services.placement.service import placement as service
from cumulet.services.placement.wire import queries, words
from cumulet.services.placement.wire import resource_providers as wire
from cumulet.services.placement.wire.freshness import dated
from cumulet.services.placement.wire.queries import uuid_like

_PARENT = "parent_provider_uuid"
_SINCE = {"member_of": (1, 3), "resources": (1, 4), "in_tree": (1, 14), "required": (1, 18)}


@service.get(
    "/resource_providers",
    policy="placement:resource_providers:list",
    response=under("resource_providers", [wire.PROVIDER]),
    query=wire.QUERY,
)
def index(call: Call) -> Reply:
    """List providers."""
    known = {"name", "uuid", *(name for name, since in _SINCE.items() if call.version >= since)}
    queries.refuse_others(call.query, known)
    filters = queries.filters(call.query, call.version)
    unknown = classes.missing(call.tx, list(filters.resources))
    if unknown:
        raise BadRequest(f"Invalid resource class in resources parameter: No such resource class {unknown[0]}.")
    traits.require(call.tx, filters.traits, 'Invalid trait(s) in "required" parameter: ')
    found = providers.listed(call.tx, filters)
    body = {"resource_providers": [wire.shown(row, call.version) for row in found]}
    return dated(call, body, max((row.updated_at for row in found), default=None))


@service.post(
    "/resource_providers",
    request=wire.ProviderCreate,
    policy="placement:resource_providers:create",
    response=wire.CREATED_PROVIDER,
)
def create(call: Call) -> Reply:
    """Create a provider."""
    given = call.body.uuid if call.body.uuid is not UNSET else uuid.uuid4()
    new = _uuid("uuid", str(given))
    parent = call.body.parent_provider_uuid
    if isinstance(parent, str):
        parent = _uuid(_PARENT, parent)
    providers.create(call.tx, uuid=new, name=call.body.name, parent=None if parent is UNSET else parent)
    row = providers.get(call.tx, new)
    reply = Reply(status=201) if call.version < (1, 20) else dated(call, wire.shown(row, call.version), row.updated_at)
    reply.headers = {**reply.headers, "Location": f"{call.base_url}/resource_providers/{new}"}
    return reply


def _uuid(name: str, text: str) -> str:
    if not uuid_like(text):
        problem = "is not valid under any of the given schemas" if name == _PARENT else "is not a 'uuid'"
        raise words.body(Invalid(name, text, f"{text!r} {problem}"))
    return str(uuid.UUID(text))


@service.get("/resource_providers/{provider}", policy="placement:resource_providers:show", response=wire.PROVIDER)
def show(call: Call, provider: str) -> Reply:
    """Show a provider."""
    row = providers.get(call.tx, provider)
    return dated(call, wire.shown(row, call.version), row.updated_at)


@service.put(
    "/resource_providers/{provider}",
    request=wire.ProviderUpdate,
    policy="placement:resource_providers:update",
    response=wire.PROVIDER,
)
def update(call: Call, provider: str) -> Reply:
    """Give a provider another name."""
    row = providers.get(call.tx, provider)
    parent: Any = call.body.parent_provider_uuid
    if isinstance(parent, str):
        parent = _uuid(_PARENT, parent)
    wanted = row.parent_uuid if parent is UNSET else parent
    providers.rename(call.tx, row, call.body.name, wanted, reparent=call.version >= (1, 37))
    row = providers.get(call.tx, provider)
    return dated(call, wire.shown(row, call.version), row.updated_at)


@service.delete("/resource_providers/{provider}", policy="placement:resource_providers:delete")
def delete(call: Call, provider: str) -> None:
    """Delete a provider that nothing is allocated on."""
    providers.delete(call.tx, provider)
