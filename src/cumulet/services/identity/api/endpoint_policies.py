"""Which endpoints a policy is for: an endpoint, a service, or a service in a region and those below."""

from __future__ import annotations

from typing import Any

from cumulet.http import Call
from cumulet.http.bodies import under
from cumulet.services.identity.model import lookups
from cumulet.services.identity.model import policies as model
from cumulet.services.identity.service import identity
from cumulet.services.identity.tables import EndpointRow, PolicyRow
from cumulet.services.identity.wire import catalog, policies
from cumulet.services.identity.wire.collections import collection, filters, listed

_ALL = "/v3/policies/{policy_id}/OS-ENDPOINT-POLICY"
_ENDPOINT = _ALL + "/endpoints/{endpoint_id}"
_SERVICE = _ALL + "/services/{service_id}"
_REGION = _SERVICE + "/regions/{region_id}"


@identity.get(
    f"{_ALL}/endpoints",
    policy="identity:list_endpoints_for_policy",
    response=listed("endpoints", catalog.ENDPOINT),
    query=filters(),
)
def endpoints(call: Call, policy_id: str) -> Any:
    """List the endpoints that a policy is for."""
    lookups.get(call.tx, PolicyRow, policy_id)
    return collection(call, "endpoints", model.endpoints_of(call.tx, policy_id), catalog.endpoint, whole=True)


@identity.get(
    "/v3/endpoints/{endpoint_id}/OS-ENDPOINT-POLICY/policy",
    policy="identity:get_policy_for_endpoint",
    response=under("policy", policies.POLICY),
)
def policy(call: Call, endpoint_id: str) -> Any:
    """Show the policy that is for an endpoint."""
    row = model.for_endpoint(call.tx, lookups.get(call.tx, EndpointRow, endpoint_id))
    return {"policy": policies.policy(call, row)}


def _target(call: Call, policy_id: str) -> dict[str, str]:
    """What the path names beside the policy. Raises 404 for what is not there."""
    target = {name: value for name, value in call.params.items() if name != "policy_id"}
    model.check_target(call.tx, policy_id, target)
    return target


@identity.put(_ENDPOINT, policy="identity:create_policy_association_for_endpoint", status=204)
def associate_endpoint(call: Call, policy_id: str, endpoint_id: str) -> None:
    """Make a policy the one for an endpoint, in place of any other."""
    model.associate(call.tx, policy_id, _target(call, policy_id))


@identity.get(_ENDPOINT, policy="identity:check_policy_association_for_endpoint", status=204)
def check_endpoint(call: Call, policy_id: str, endpoint_id: str) -> None:
    """Check that a policy is the one for an endpoint."""
    model.check(call.tx, policy_id, _target(call, policy_id))


@identity.delete(_ENDPOINT, policy="identity:delete_policy_association_for_endpoint")
def dissociate_endpoint(call: Call, policy_id: str, endpoint_id: str) -> None:
    """Say that a policy is no longer for an endpoint."""
    model.dissociate(call.tx, policy_id, _target(call, policy_id))


@identity.put(_SERVICE, policy="identity:create_policy_association_for_service", status=204)
def associate_service(call: Call, policy_id: str, service_id: str) -> None:
    """Make a policy the one for a service, in place of any other."""
    model.associate(call.tx, policy_id, _target(call, policy_id))


@identity.get(_SERVICE, policy="identity:check_policy_association_for_service", status=204)
def check_service(call: Call, policy_id: str, service_id: str) -> None:
    """Check that a policy is the one for a service."""
    model.check(call.tx, policy_id, _target(call, policy_id))


@identity.delete(_SERVICE, policy="identity:delete_policy_association_for_service")
def dissociate_service(call: Call, policy_id: str, service_id: str) -> None:
    """Say that a policy is no longer for a service."""
    model.dissociate(call.tx, policy_id, _target(call, policy_id))


@identity.put(_REGION, policy="identity:create_policy_association_for_region_and_service", status=204)
def associate_region_and_service(call: Call, policy_id: str, service_id: str, region_id: str) -> None:
    """Make a policy the one for a service in a region, in place of any other."""
    model.associate(call.tx, policy_id, _target(call, policy_id))


@identity.get(_REGION, policy="identity:check_policy_association_for_region_and_service", status=204)
def check_region_and_service(call: Call, policy_id: str, service_id: str, region_id: str) -> None:
    """Check that a policy is the one for a service in a region."""
    model.check(call.tx, policy_id, _target(call, policy_id))


@identity.delete(_REGION, policy="identity:delete_policy_association_for_region_and_service")
def dissociate_region_and_service(call: Call, policy_id: str, service_id: str, region_id: str) -> None:
    """Say that a policy is no longer for a service in a region."""
    model.dissociate(call.tx, policy_id, _target(call, policy_id))
