"""Protocols of identity providers: list, create, show, update, delete."""

from __future__ import annotations

from typing import Any

from cumulet.http import Call
from cumulet.http.bodies import under
from cumulet.services.identity.model import identity_providers as model
from cumulet.services.identity.service import identity
from cumulet.services.identity.wire import protocols as wire
from cumulet.services.identity.wire.collections import collection, filters, listed
from cumulet.services.identity.wire.fields import given

_PATH = "/v3/OS-FEDERATION/identity_providers/{idp_id}/protocols"
_FIELDS = ("mapping_id", "remote_id_attribute")


@identity.get(
    _PATH, policy="identity:list_protocols", response=listed("protocols", wire.LISTED_PROTOCOL), query=filters()
)
def browse(call: Call, idp_id: str) -> Any:
    """List the protocols of an identity provider."""
    return collection(call, "protocols", model.protocols(call.tx, idp_id), wire.listed, whole=True)


@identity.put(
    f"{_PATH}/{{protocol_id}}",
    policy="identity:create_protocol",
    request=wire.ProtocolCreateRequest,
    status=201,
    response=under("protocol", wire.PROTOCOL),
)
def create(call: Call, idp_id: str, protocol_id: str) -> Any:
    """Add a protocol to an identity provider, with the mapping for what it asserts."""
    fields = given(call.body.protocol, *_FIELDS)
    return {"protocol": wire.shown(call, model.add_protocol(call.tx, idp_id, protocol_id, fields))}


@identity.get(f"{_PATH}/{{protocol_id}}", policy="identity:get_protocol", response=under("protocol", wire.PROTOCOL))
def show(call: Call, idp_id: str, protocol_id: str) -> Any:
    """Show a protocol of an identity provider."""
    return {"protocol": wire.shown(call, model.protocol(call.tx, idp_id, protocol_id))}


@identity.patch(
    f"{_PATH}/{{protocol_id}}",
    policy="identity:update_protocol",
    request=wire.ProtocolUpdateRequest,
    response=under("protocol", wire.PROTOCOL),
)
def update(call: Call, idp_id: str, protocol_id: str) -> Any:
    """Give a protocol another mapping."""
    fields = given(call.body.protocol, *_FIELDS)
    return {"protocol": wire.shown(call, model.change_protocol(call.tx, idp_id, protocol_id, fields))}


@identity.delete(f"{_PATH}/{{protocol_id}}", policy="identity:delete_protocol")
def delete(call: Call, idp_id: str, protocol_id: str) -> None:
    """Delete a protocol, and the users who came by it alone."""
    model.remove_protocol(call.tx, idp_id, protocol_id)
