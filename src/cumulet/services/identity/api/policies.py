"""Policies that other services keep here: list, create, show, update, delete."""

from __future__ import annotations

from typing import Any

from cumulet.http import Call
from cumulet.http.faults import BadRequest
from cumulet.services.identity.api.targets import checked
from cumulet.services.identity.model import policies as model
from cumulet.services.identity.service import identity
from cumulet.services.identity.wire import policies as wire
from cumulet.services.identity.wire.collections import collection
from cumulet.services.identity.wire.fields import extra, given

_ONE = "/v3/policies/{policy_id}"


@identity.get("/v3/policies", policy="identity:list_policies")
def browse(call: Call) -> Any:
    """List policies."""
    return collection(call, "policies", model.browse(call.tx, call.query), wire.policy)


@identity.post("/v3/policies", policy="identity:create_policy", request=wire.PolicyCreateRequest, status=201)
def create(call: Call) -> Any:
    """Create a policy."""
    fields = {**given(call.body.policy, "type", "blob"), "extra": extra(wire.PolicyCreate, call.raw["policy"])}
    return {"policy": wire.policy(call, model.create(call.tx, fields))}


@identity.get(_ONE, policy_in_handler="identity:get_policy")
def show(call: Call, policy_id: str) -> Any:
    """Show a policy."""
    return {"policy": wire.policy(call, checked(call, "identity:get_policy", "policy", policy_id))}


@identity.patch(_ONE, policy_in_handler="identity:update_policy", request=wire.PolicyUpdateRequest)
def update(call: Call, policy_id: str) -> Any:
    """Update a policy."""
    row = checked(call, "identity:update_policy", "policy", policy_id)
    if not call.raw["policy"]:
        raise BadRequest("Invalid input for field 'policy': {} does not have enough properties")
    fields = given(call.body.policy, "type", "blob")
    fields["extra"] = row.extra | extra(wire.PolicyUpdate, call.raw["policy"])
    return {"policy": wire.policy(call, model.update(call.tx, policy_id, fields))}


@identity.delete(_ONE, policy_in_handler="identity:delete_policy")
def delete(call: Call, policy_id: str) -> None:
    """Delete a policy, and with it what it was for."""
    checked(call, "identity:delete_policy", "policy", policy_id)
    model.delete(call.tx, policy_id)
