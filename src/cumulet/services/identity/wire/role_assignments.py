"""The shape of a role assignment in the list."""

from __future__ import annotations

from typing import Any

from cumulet.http import Call
from cumulet.http.bodies import Query, Record, optional
from cumulet.services.identity.model.role_assignments import Entry, Names


def shown(call: Call, entry: Entry, names: Names | None) -> dict[str, Any]:
    """An entry as Keystone shows it, with `names` when asked for."""
    scope: dict[str, Any]
    if entry.target_type == "system":
        scope = {"system": {"all": True}}
    else:
        scope = {entry.target_type: _target(entry, names)}
    if entry.inherited:
        scope["OS-INHERIT:inherited_to"] = "projects"
    role: dict[str, Any] = {"id": entry.role_id}
    if names is not None:
        name, domain_id = names.roles.get(entry.role_id, ("", ""))
        role["name"] = name
        if domain_id:
            role["domain"] = {"id": domain_id, "name": names.domains.get(domain_id, "")}
    return {
        "scope": scope,
        "role": role,
        entry.actor_type: _actor(entry, names),
        "links": _links(f"{call.base_url}/v3", entry),
    }


def _within(found: dict[str, tuple[str, str]], identifier: str, names: Names) -> dict[str, Any]:
    name, domain_id = found.get(identifier, ("", ""))
    return {"id": identifier, "name": name, "domain": {"id": domain_id, "name": names.domains.get(domain_id, "")}}


def _target(entry: Entry, names: Names | None) -> dict[str, Any]:
    if names is None:
        return {"id": entry.target_id}
    if entry.target_type == "domain":
        return {"id": entry.target_id, "name": names.domains.get(entry.target_id, "")}
    return _within(names.projects, entry.target_id, names)


def _actor(entry: Entry, names: Names | None) -> dict[str, Any]:
    if names is None:
        return {"id": entry.actor_id}
    return _within(names.users if entry.actor_type == "user" else names.groups, entry.actor_id, names)


def _links(root: str, entry: Entry) -> dict[str, str]:
    kind, target_id = entry.from_target or (entry.target_type, entry.target_id)
    where = "system" if kind == "system" else f"{kind}s/{target_id}"
    who = f"groups/{entry.via_group}" if entry.via_group else f"{entry.actor_type}s/{entry.actor_id}"
    path = f"{where}/{who}/roles/{entry.prior_role or entry.role_id}"
    if entry.inherited:
        path = f"OS-INHERIT/{path}/inherited_to_projects"
    links = {"assignment": f"{root}/{path}"}
    if entry.via_group:
        links["membership"] = f"{root}/groups/{entry.via_group}/users/{entry.actor_id}"
    if entry.prior_role:
        links["prior_role"] = f"{root}/prior_role/{entry.prior_role}/implies/{entry.role_id}"
    return links


_DOMAIN = {"id": str, "name": optional(str)}
_WITHIN = {"id": str, "name": optional(str), "domain": optional({"id": str, "name": str})}
ROLE_ASSIGNMENT = Record(
    "RoleAssignment",
    {
        "scope": {
            "project": optional(_WITHIN),
            "domain": optional(_DOMAIN),
            "system": optional({"all": bool}),
            "OS-INHERIT:inherited_to": optional(str),
        },
        "role": _WITHIN,
        "user": optional(_WITHIN),
        "group": optional(_WITHIN),
        "links": {"assignment": str, "membership": optional(str), "prior_role": optional(str)},
    },
)
_WHICH = ("user.id", "group.id", "role.id", "scope.project.id", "scope.domain.id", "scope.OS-INHERIT:inherited_to")
QUERY = Query(
    dict.fromkeys(_WHICH, str) | dict.fromkeys(("scope.system", "effective", "include_names", "include_subtree"), bool)
)
