"""Policies that other services keep here: list, create, show, update, delete."""

from __future__ import annotations

from typing import Any

from cumulet.http import Call
from cumulet.http.bodies import under
from cumulet.http.faults import BadRequest
from cumulet.services.identity.api.targets import POLICY
from cumulet.services.identity.model import policies as model
from cumulet.services.identity.service import identity
from cumulet.services.identity.tables import PolicyRow
from cumulet.services.identity.wire import policies as wire
from cumulet.services.identity.wire.collections import collection, listed
from cumulet.services.identity.wire.fields import extra, given

_ONE = "/v3/policies/{policy_id}"


@identity.get(
    "/v3/policies", policy="identity:list_policies", response=listed("policies", wire.POLICY), query=wire.QUERY
)
def browse(call: Call) -> Any:
    """List policies."""
    return collection(call, "policies", model.browse(call.tx, call.query), wire.policy)


@identity.post(
    "/v3/policies",
    policy="identity:create_policy",
    request=wire.PolicyCreateRequest,
    status=201,
    response=under("policy", wire.POLICY),
)
def create(call: Call) -> Any:
    """Create a policy."""
    fields = {**given(call.body.policy, "type", "blob"), "extra": extra(wire.PolicyCreate, call.raw["policy"])}
    return {"policy": wire.policy(call, model.create(call.tx, fields))}


@identity.get(_ONE, target=POLICY, policy="identity:get_policy", response=under("policy", wire.POLICY))
def show(call: Call, policy: PolicyRow) -> Any:
    """Show a policy."""
    return {"policy": wire.policy(call, policy)}


@identity.patch(
    _ONE,
    target=POLICY,
    policy="identity:update_policy",
    request=wire.PolicyUpdateRequest,
    response=under("policy", wire.POLICY),
)
def update(call: Call, policy: PolicyRow) -> Any:
    """Update a policy."""
    if not call.raw["policy"]:
        raise BadRequest("Invalid input for field 'policy': {} does not have enough properties")
    fields = given(call.body.policy, "type", "blob")
    fields["extra"] = policy.extra | extra(wire.PolicyUpdate, call.raw["policy"])
    return {"policy": wire.policy(call, model.update(call.tx, policy.id, fields))}


@identity.delete(_ONE, target=POLICY, policy="identity:delete_policy")
def delete(call: Call, policy: PolicyRow) -> None:
    """Delete a policy, and with it what it was for."""
    model.delete(call.tx, policy.id)
