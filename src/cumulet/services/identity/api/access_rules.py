"""Access rules of a user: list, show, delete. They are made with the application credentials that have them."""

from __future__ import annotations

from typing import Any

from cumulet.http import Call
from cumulet.http.bodies import under
from cumulet.services.identity.api.targets import By, target
from cumulet.services.identity.model import access_rules as model
from cumulet.services.identity.model import delegation, lookups
from cumulet.services.identity.service import identity
from cumulet.services.identity.tables import UserRow
from cumulet.services.identity.wire import application_credentials as wire
from cumulet.services.identity.wire.collections import collection, listed

_ALL = "/v3/users/{user_id}/access_rules"
_ONE = _ALL + "/{access_rule_id}"


def _checked(call: Call, rule: str, user_id: str) -> str:
    call.require(rule, target("user", lookups.find(call.tx, UserRow, user_id)))
    delegation.refuse_application_credentials(call.caller)
    return user_id


OWNER = By(("user_id",), _checked)
"""The user whose rules they are, whether there is one or not."""


@identity.get(
    _ALL,
    target=OWNER,
    policy="identity:list_access_rules",
    response=listed("access_rules", wire.ACCESS_RULE),
    query=wire.ACCESS_RULES_QUERY,
)
def browse(call: Call, user_id: str) -> Any:
    """List the access rules of a user."""
    return collection(call, "access_rules", model.browse(call.tx, call.query, user_id), wire.shown_access_rule)


@identity.get(_ONE, target=OWNER, policy="identity:get_access_rule", response=under("access_rule", wire.ACCESS_RULE))
def show(call: Call, user_id: str, access_rule_id: str) -> Any:
    """Show an access rule."""
    return {"access_rule": wire.shown_access_rule(call, model.get(call.tx, user_id, access_rule_id))}


@identity.delete(_ONE, target=OWNER, policy="identity:delete_access_rule")
def delete(call: Call, user_id: str, access_rule_id: str) -> None:
    """Delete an access rule that no application credential has."""
    model.delete(call.tx, user_id, access_rule_id)
