"""Roles: list, create, show, update, delete; and the roles they imply."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cumulet.http import Call, Reply
from cumulet.http.bodies import Query, under
from cumulet.services.identity.api.targets import Of
from cumulet.services.identity.model import lookups
from cumulet.services.identity.model import roles as model
from cumulet.services.identity.service import identity
from cumulet.services.identity.tables import RoleRow
from cumulet.services.identity.wire import roles as wire
from cumulet.services.identity.wire.collections import collection, listed, self_link
from cumulet.services.identity.wire.fields import extra, given

_FIELDS = ("name", "domain_id", "description", "options")


class _OfRole(Of[RoleRow]):
    """A role. One of a domain has rules of its own."""

    def rule_on(self, rule: str, row: RoleRow | None) -> str:
        """See `Of`."""
        return rule.replace("_role", "_domain_role") if row is not None and row.domain_id else rule


ROLE = _OfRole(RoleRow, first=True)


@identity.get(
    "/v3/roles", policy_in_handler="identity:list_roles", response=listed("roles", wire.ROLE), query=wire.QUERY
)
def browse(call: Call) -> Any:
    """List roles."""
    call.require("identity:list_domain_roles" if "domain_id" in call.query else "identity:list_roles")
    return collection(call, "roles", model.browse(call.tx, call.query), wire.shown)


@identity.post(
    "/v3/roles",
    policy_in_handler="identity:create_role",
    request=wire.RoleCreateRequest,
    status=201,
    response=under("role", wire.ROLE),
)
def create(call: Call) -> Any:
    """Create a role."""
    fields = given(call.body.role, *_FIELDS)
    call.require("identity:create_domain_role" if fields.get("domain_id") else "identity:create_role")
    fields["extra"] = extra(wire.RoleCreate, call.raw["role"])
    return {"role": wire.shown(call, model.create(call.tx, fields))}


@identity.get("/v3/roles/{role_id}", target=ROLE, policy="identity:get_role", response=under("role", wire.ROLE))
def show(call: Call, role: RoleRow) -> Any:
    """Show a role."""
    return {"role": wire.shown(call, role)}


@identity.patch(
    "/v3/roles/{role_id}",
    target=ROLE,
    policy="identity:update_role",
    request=wire.RoleUpdateRequest,
    response=under("role", wire.ROLE),
)
def update(call: Call, role: RoleRow) -> Any:
    """Update a role."""
    fields = given(call.body.role, *_FIELDS)
    fields["extra"] = role.extra | extra(wire.RoleUpdate, call.raw["role"])
    return {"role": wire.shown(call, model.update(call.tx, role, fields))}


@identity.delete("/v3/roles/{role_id}", target=ROLE, policy="identity:delete_role")
def delete(call: Call, role: RoleRow) -> None:
    """Delete a role."""
    model.delete(call.tx, role)


def _rule(call: Call, prior: RoleRow, those: Sequence[RoleRow]) -> dict[str, Any]:
    return {"prior_role": wire.brief(call, prior), "implies": [wire.brief(call, role) for role in those]}


@identity.get(
    "/v3/roles/{prior_role_id}/implies",
    policy="identity:list_implied_roles",
    response=wire.IMPLIED_ROLES,
    query=Query({}),
)
def browse_implied(call: Call, prior_role_id: str) -> Any:
    """List the roles that a role implies."""
    prior = lookups.get(call.tx, RoleRow, prior_role_id)
    told = _rule(call, prior, model.implied(call.tx, prior_role_id))
    return {"role_inference": told, "links": self_link(call, f"roles/{prior_role_id}/implies")}


@identity.get(
    "/v3/roles/{prior_role_id}/implies/{implied_role_id}",
    policy="identity:get_implied_role",
    response=wire.IMPLIED_ROLE,
)
def show_implied(call: Call, prior_role_id: str, implied_role_id: str) -> Any:
    """Show that a role implies another; HEAD only checks it."""
    if not model.implies(call.tx, prior_role_id, implied_role_id):
        raise model.no_rule(prior_role_id, implied_role_id)
    return Reply(status=204) if call.method == "HEAD" else _pair(call, prior_role_id, implied_role_id)


@identity.put(
    "/v3/roles/{prior_role_id}/implies/{implied_role_id}",
    policy="identity:create_implied_role",
    status=201,
    response=wire.IMPLIED_ROLE,
)
def imply(call: Call, prior_role_id: str, implied_role_id: str) -> Any:
    """Make a role imply another."""
    prior, following = lookups.get(call.tx, RoleRow, prior_role_id), lookups.get(call.tx, RoleRow, implied_role_id)
    model.imply(call.tx, prior, following)
    return _pair(call, prior_role_id, implied_role_id)


@identity.delete("/v3/roles/{prior_role_id}/implies/{implied_role_id}", policy="identity:delete_implied_role")
def imply_no_more(call: Call, prior_role_id: str, implied_role_id: str) -> None:
    """Make a role imply another no more."""
    model.imply_no_more(call.tx, prior_role_id, implied_role_id)


@identity.get(
    "/v3/role_inferences", policy="identity:list_role_inference_rules", response=wire.INFERENCES, query=Query({})
)
def browse_rules(call: Call) -> Any:
    """List all rules of implication."""
    found = [_rule(call, prior, those) for prior, those in model.rules(call.tx)]
    return {"role_inferences": found, "links": self_link(call, "role_inferences")}


def _pair(call: Call, prior_id: str, implied_id: str) -> dict[str, Any]:
    prior, following = lookups.get(call.tx, RoleRow, prior_id), lookups.get(call.tx, RoleRow, implied_id)
    told = {"prior_role": wire.brief(call, prior), "implies": wire.brief(call, following)}
    return {"role_inference": told, "links": self_link(call, f"roles/{prior_id}/implies/{implied_id}")}
