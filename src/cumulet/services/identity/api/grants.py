"""Grants: list, check, give and take roles of users and groups on projects, domains and the system.

The sixteen routes (and those under OS-INHERIT) differ only in what they name, so they are declared in loops.
"""

from __future__ import annotations

from typing import Any

from cumulet.db import TypedRow
from cumulet.http import Call
from cumulet.services.identity.api.targets import By, target
from cumulet.services.identity.model import assignments as model
from cumulet.services.identity.model import lookups
from cumulet.services.identity.model.access import SYSTEM
from cumulet.services.identity.model.assignments import Place
from cumulet.services.identity.service import identity
from cumulet.services.identity.tables import DomainRow, ProjectRow, RoleRow
from cumulet.services.identity.wire import roles as wire
from cumulet.services.identity.wire.collections import collection, filters, listed

Asked = tuple[Place, RoleRow | None, ProjectRow | None]
"""Where, the role (None in a list) and the target (None for the system)."""


def _asked(call: Call, rule: str, *_values: str) -> Asked:
    """What a call is about, once the caller may do it. Raises 403, 404."""
    params = call.params
    role_id = params.get("role_id")
    actor = "user" if "user_id" in params else "group"
    kind = next((kind for kind in ("project", "domain") if f"{kind}_id" in params), SYSTEM)
    actor_id, target_id = params[f"{actor}_id"], params.get(f"{kind}_id", SYSTEM)
    found: dict[str, TypedRow | None] = {actor: lookups.find(call.tx, lookups.KINDS[actor], actor_id)}
    role, row = None, None
    if kind != SYSTEM:
        row = found[kind] = lookups.find(call.tx, DomainRow if kind == "domain" else ProjectRow, target_id)
    if role_id is not None:
        role = found["role"] = lookups.find(call.tx, RoleRow, role_id)
    told = {key: value for noun, each in found.items() for key, value in target(noun, each).items()}
    call.require(rule, told)
    for noun, each in found.items():
        if each is None:
            raise lookups.missing(noun, {actor: actor_id, kind: target_id, "role": role_id}[noun])
    place = Place(actor, actor_id, kind, target_id, "/OS-INHERIT/" in call.operation.path)
    return place, role, row


def _rule(verb: str, actor: str, kind: str) -> str:
    if kind == SYSTEM:
        return f"identity:{verb}_system_grant{'s' if verb == 'list' else ''}_for_{actor}"
    return f"identity:{verb}_grant{'s' if verb == 'list' else ''}"


def browse(call: Call, asked: Asked) -> Any:
    """List the roles granted to an actor on a target."""
    return collection(call, "roles", model.granted(call.tx, asked[0]), wire.shown, whole=True)


def check(call: Call, asked: Asked) -> None:
    """Check whether a role is granted."""
    place, role, _ = asked
    assert role is not None
    model.check(call.tx, place, role.id)


def give(call: Call, asked: Asked) -> None:
    """Grant a role."""
    place, role, row = asked
    assert role is not None
    model.grant(call.tx, place, role, row)


def take(call: Call, asked: Asked) -> None:
    """Revoke a role."""
    place, role, _ = asked
    assert role is not None
    model.revoke(call.tx, place, role.id)


def _declare(prefix: str, suffix: str, kind: str, actor: str) -> None:
    actors = f"{prefix}/{actor}s/{{{actor}_id}}/roles"
    one = f"{actors}/{{role_id}}{suffix}"
    named = (f"{actor}_id",) if kind == SYSTEM else (f"{actor}_id", f"{kind}_id")
    all_of_them, one_of_them = By(named, _asked), By((*named, "role_id"), _asked)
    listing = {"response": listed("roles", wire.ROLE), "query": filters()}
    identity.get(f"{actors}{suffix}", target=all_of_them, policy=_rule("list", actor, kind), **listing)(browse)
    identity.get(one, target=one_of_them, policy=_rule("check", actor, kind), status=204)(check)
    identity.put(one, target=one_of_them, policy=_rule("create", actor, kind), status=204)(give)
    identity.delete(one, target=one_of_them, policy=_rule("revoke", actor, kind))(take)


for _actor in ("user", "group"):
    _declare("/v3/system", "", SYSTEM, _actor)
    for _kind in ("project", "domain"):
        _declare(f"/v3/{_kind}s/{{{_kind}_id}}", "", _kind, _actor)
        _declare(f"/v3/OS-INHERIT/{_kind}s/{{{_kind}_id}}", "/inherited_to_projects", _kind, _actor)
