"""Grants: list, check, give and take roles of users and groups on projects, domains and the system.

The sixteen routes (and those under OS-INHERIT) differ only in what they name, so they are declared in loops.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row

from cumulet.http import Call
from cumulet.services.identity.api.targets import target
from cumulet.services.identity.model import assignments as model
from cumulet.services.identity.model import lookups
from cumulet.services.identity.model.access import SYSTEM
from cumulet.services.identity.model.assignments import Place
from cumulet.services.identity.service import identity
from cumulet.services.identity.wire import roles as wire
from cumulet.services.identity.wire.collections import collection

Asked = tuple[Place, Row[Any] | None, Row[Any] | None]
"""Where, the role (None in a list) and the target (None for the system)."""


def _asked(call: Call, verb: str, role_id: str | None) -> Asked:
    """What a call is about, once the caller may do it. Raises 403, 404."""
    params = call.params
    actor = "user" if "user_id" in params else "group"
    kind = next((kind for kind in ("project", "domain") if f"{kind}_id" in params), SYSTEM)
    actor_id, target_id = params[f"{actor}_id"], params.get(f"{kind}_id", SYSTEM)
    found = {actor: lookups.find(call.tx, actor, actor_id)}
    if kind != SYSTEM:
        found[kind] = lookups.find(call.tx, kind, target_id)
    if role_id is not None:
        found["role"] = lookups.find(call.tx, "role", role_id)
    told = {key: value for noun, row in found.items() for key, value in target(noun, row).items()}
    call.require(_rule(verb, actor, kind), told)
    for noun, row in found.items():
        if row is None:
            raise lookups.missing(noun, {actor: actor_id, kind: target_id, "role": role_id}[noun])
    place = Place(actor, actor_id, kind, target_id, "/OS-INHERIT/" in call.operation.path)
    return place, found.get("role"), found.get(kind)


def _rule(verb: str, actor: str, kind: str) -> str:
    if kind == SYSTEM:
        return f"identity:{verb}_system_grant{'s' if verb == 'list' else ''}_for_{actor}"
    return f"identity:{verb}_grant{'s' if verb == 'list' else ''}"


def browse(call: Call, **_params: str) -> Any:
    """List the roles granted to an actor on a target."""
    place, _, _ = _asked(call, "list", None)
    return collection(call, "roles", model.granted(call.tx, place), wire.shown, whole=True)


def check(call: Call, role_id: str, **_params: str) -> None:
    """Check whether a role is granted."""
    place, _, _ = _asked(call, "check", role_id)
    model.check(call.tx, place, role_id)


def give(call: Call, role_id: str, **_params: str) -> None:
    """Grant a role."""
    place, role, row = _asked(call, "create", role_id)
    assert role is not None
    model.grant(call.tx, place, role, row)


def take(call: Call, role_id: str, **_params: str) -> None:
    """Revoke a role."""
    place, _, _ = _asked(call, "revoke", role_id)
    model.revoke(call.tx, place, role_id)


def _declare(prefix: str, suffix: str, kind: str, actor: str) -> None:
    actors = f"{prefix}/{actor}s/{{{actor}_id}}/roles"
    one = f"{actors}/{{role_id}}{suffix}"
    identity.get(f"{actors}{suffix}", policy_in_handler=_rule("list", actor, kind))(browse)
    identity.get(one, policy_in_handler=_rule("check", actor, kind), status=204)(check)
    identity.put(one, policy_in_handler=_rule("create", actor, kind), status=204)(give)
    identity.delete(one, policy_in_handler=_rule("revoke", actor, kind))(take)


for _actor in ("user", "group"):
    _declare("/v3/system", "", SYSTEM, _actor)
    for _kind in ("project", "domain"):
        _declare(f"/v3/{_kind}s/{{{_kind}_id}}", "", _kind, _actor)
        _declare(f"/v3/OS-INHERIT/{_kind}s/{{{_kind}_id}}", "/inherited_to_projects", _kind, _actor)
