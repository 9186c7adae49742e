"""Access rules of a user: list, show, delete. They are made with the application credentials that have them."""

from __future__ import annotations

from typing import Any

from cumulet.http import Call
from cumulet.services.identity.api.targets import target
from cumulet.services.identity.model import access_rules as model
from cumulet.services.identity.model import delegation, lookups
from cumulet.services.identity.service import identity
from cumulet.services.identity.wire import application_credentials as wire
from cumulet.services.identity.wire.collections import collection

_ALL = "/v3/users/{user_id}/access_rules"
_ONE = _ALL + "/{access_rule_id}"


def _check(call: Call, rule: str, user_id: str) -> None:
    call.require(rule, target("user", lookups.find(call.tx, "user", user_id)))
    delegation.refuse_application_credentials(call.caller)


@identity.get(_ALL, policy_in_handler="identity:list_access_rules")
def browse(call: Call, user_id: str) -> Any:
    """List the access rules of a user."""
    _check(call, "identity:list_access_rules", user_id)
    return collection(call, "access_rules", model.browse(call.tx, call.query, user_id), wire.shown_access_rule)


@identity.get(_ONE, policy_in_handler="identity:get_access_rule")
def show(call: Call, user_id: str, access_rule_id: str) -> Any:
    """Show an access rule."""
    _check(call, "identity:get_access_rule", user_id)
    return {"access_rule": wire.shown_access_rule(call, model.get(call.tx, user_id, access_rule_id))}


@identity.delete(_ONE, policy_in_handler="identity:delete_access_rule")
def delete(call: Call, user_id: str, access_rule_id: str) -> None:
    """Delete an access rule that no application credential has."""
    _check(call, "identity:delete_access_rule", user_id)
    model.delete(call.tx, user_id, access_rule_id)
