"""Consumers of OAuth1, who may ask users for a part of their roles: list, create, show, update, delete."""

from __future__ import annotations

from typing import Any

from cumulet.http import Call
from cumulet.http.bodies import under
from cumulet.http.faults import BadRequest
from cumulet.services.identity.api.targets import check_id
from cumulet.services.identity.model import oauth1 as model
from cumulet.services.identity.service import identity
from cumulet.services.identity.wire import oauth1 as wire
from cumulet.services.identity.wire.collections import collection, filters, listed
from cumulet.services.identity.wire.fields import extra, given

_ALL = "/v3/OS-OAUTH1/consumers"
_ONE = _ALL + "/{consumer_id}"


@identity.get(_ALL, policy="identity:list_consumers", response=listed("consumers", wire.CONSUMER), query=filters())
def browse(call: Call) -> Any:
    """List consumers."""
    return collection(call, "consumers", model.browse_consumers(call.tx, call.query), wire.consumer)


@identity.post(
    _ALL,
    policy="identity:create_consumer",
    request=wire.ConsumerRequest,
    status=201,
    response=under("consumer", wire.CREATED_CONSUMER),
)
def create(call: Call) -> Any:
    """Create a consumer; only this answer has its secret."""
    fields = {"description": None, **given(call.body.consumer, "description"), "extra": _extra(call)}
    row, secret = model.create_consumer(call.tx, call.context.vault, fields)
    return {"consumer": {**wire.consumer(call, row), "secret": secret}}


@identity.get(_ONE, policy="identity:get_consumer", response=under("consumer", wire.CONSUMER))
def show(call: Call, consumer_id: str) -> Any:
    """Show a consumer, without its secret."""
    return {"consumer": wire.consumer(call, model.consumer(call.tx, consumer_id))}


@identity.patch(
    _ONE, policy="identity:update_consumer", request=wire.ConsumerRequest, response=under("consumer", wire.CONSUMER)
)
def update(call: Call, consumer_id: str) -> Any:
    """Update a consumer; its secret never changes."""
    check_id(call, "consumer", consumer_id)
    if not call.raw["consumer"] or "secret" in call.raw["consumer"]:
        raise BadRequest("Invalid input for field 'consumer': it has to change something, and not the secret")
    row = model.consumer(call.tx, consumer_id)
    fields = {**given(call.body.consumer, "description"), "extra": row.extra | _extra(call)}
    return {"consumer": wire.consumer(call, model.update_consumer(call.tx, row, fields))}


@identity.delete(_ONE, policy="identity:delete_consumer")
def delete(call: Call, consumer_id: str) -> None:
    """Delete a consumer, which ends all that it was authorized for."""
    model.delete_consumer(call.tx, consumer_id)


def _extra(call: Call) -> dict[str, Any]:
    found = extra(wire.Consumer, call.raw["consumer"])
    found.pop("secret", None)
    return found
