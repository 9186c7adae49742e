"""Trusts: list, create, show, delete, and the roles they hand on."""

from __future__ import annotations

from typing import Any

from cumulet.http import Call
from cumulet.http.bodies import under
from cumulet.http.faults import NotAllowed
from cumulet.services.identity.api.targets import By
from cumulet.services.identity.model import application_credentials, delegation, expiry, lookups
from cumulet.services.identity.model import trusts as model
from cumulet.services.identity.service import identity
from cumulet.services.identity.tables import TrustRow, UserRow
from cumulet.services.identity.wire import roles as role_wire
from cumulet.services.identity.wire import trusts as wire
from cumulet.services.identity.wire.application_credentials import references
from cumulet.services.identity.wire.collections import collection, filters, listed
from cumulet.services.identity.wire.fields import extra, given

_ALL = "/v3/OS-TRUST/trusts"
_ONE = _ALL + "/{trust_id}"
_PERFORM = "You are not authorized to perform the requested action: "
_SIDES = ("trustor", "trustee")


def _target(row: TrustRow) -> dict[str, Any]:
    return {f"target.trust.{side}_user_id": getattr(row, f"{side}_user_id") for side in _SIDES}


def _checked(call: Call, rule: str, trust_id: str) -> TrustRow:
    """The row. Raises 404 first, as Keystone does here, then 403."""
    row = model.get(call.tx, trust_id)
    call.require(rule, _target(row))
    delegation.refuse_trusts(call.caller)
    return row


TRUST = By(("trust_id",), _checked)


@identity.get(
    _ALL, policy_in_handler="identity:list_trusts", response=listed("trusts", wire.LISTED_TRUST), query=wire.QUERY
)
def browse(call: Call) -> Any:
    """List trusts, those of a trustor or a trustee when the query names one."""
    side = next((side for side in _SIDES if call.query.get(f"{side}_user_id", [""])[-1]), None)
    if side is None:
        call.require("identity:list_trusts", {})
    else:
        user_id = call.query[f"{side}_user_id"][-1]
        call.require(f"identity:list_trusts_for_{side}", {f"target.trust.{side}_user_id": user_id})
    delegation.refuse_trusts(call.caller)
    return collection(call, "trusts", model.browse(call.tx, call.query), wire.shown)


@identity.post(
    _ALL,
    policy_in_handler="identity:create_trust",
    request=wire.TrustCreateRequest,
    status=201,
    response=under("trust", wire.TRUST),
)
def create(call: Call) -> Any:
    """Create a trust; with a token of a trust, hand that one on."""
    asked: wire.TrustCreate = call.body.trust
    call.require("identity:create_trust", {"target.trust.trustor_user_id": asked.trustor_user_id})
    delegation.refuse_trusts(call.caller)
    if (asked.project_id or None) and not (asked.roles or None):
        raise NotAllowed(f"{_PERFORM}At least one role should be specified.")
    if call.caller.user_id != asked.trustor_user_id:
        raise NotAllowed(f"{_PERFORM}The authenticated user should match the trustor.")
    lookups.get(call.tx, UserRow, asked.trustee_user_id)
    role_ids = application_credentials.role_ids(call.tx, references(asked.roles or []))
    parent = call.caller.token.facts.trust_id or None
    found = model.create(call.tx, _fields(call, asked), role_ids, parent)
    return {"trust": wire.whole(call, found)}


def _fields(call: Call, asked: wire.TrustCreate) -> dict[str, Any]:
    optional = ("remaining_uses", "allow_redelegation", "redelegation_count")
    return {
        **dict.fromkeys(optional),
        **given(asked, "trustor_user_id", "trustee_user_id", "impersonation", *optional),
        "project_id": asked.project_id or None,
        "expires_at": expiry.parsed(asked.expires_at or None, call.tx.now),
        "extra": extra(wire.TrustCreate, call.raw["trust"]),
    }


@identity.get(_ONE, target=TRUST, policy="identity:get_trust", response=under("trust", wire.TRUST))
def show(call: Call, trust: TrustRow) -> Any:
    """Show a trust."""
    return {"trust": wire.whole(call, model.whole(call.tx, trust))}


@identity.delete(_ONE, target=TRUST, policy="identity:delete_trust")
def delete(call: Call, trust: TrustRow) -> None:
    """Delete a trust, which ends its tokens and the trusts made from it."""
    model.delete(call.tx, trust.id)


@identity.get(
    f"{_ONE}/roles",
    target=TRUST,
    policy="identity:list_roles_for_trust",
    response=listed("roles", role_wire.ROLE),
    query=filters(),
)
def browse_roles(call: Call, trust: TrustRow) -> Any:
    """List the roles that a trust hands on."""
    found = model.whole(call.tx, trust)
    return {"roles": wire.roles(call, found), "links": wire.roles_links(call, trust.id)}


@identity.get(
    f"{_ONE}/roles/{{role_id}}",
    target=TRUST,
    policy="identity:get_role_for_trust",
    response=under("role", role_wire.ROLE),
)
def show_role(call: Call, trust: TrustRow, role_id: str) -> Any:
    """Show a role that a trust hands on; HEAD only checks it."""
    found = model.whole(call.tx, trust)
    role = next((role for role in found.roles if role.id == role_id), None)
    if role is None:
        raise lookups.missing("role", role_id)
    return {"role": role_wire.shown(call, role)}
