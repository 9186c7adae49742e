"""The list of role assignments."""

from __future__ import annotations

from typing import Any

from cumulet.http import Call
from cumulet.services.identity.api.targets import listing_domain, target
from cumulet.services.identity.model import lookups
from cumulet.services.identity.model import role_assignments as model
from cumulet.services.identity.model.filters import truth
from cumulet.services.identity.model.role_assignments import ListQuery
from cumulet.services.identity.service import identity
from cumulet.services.identity.tables import ProjectRow
from cumulet.services.identity.wire import role_assignments as wire
from cumulet.services.identity.wire.collections import listed

_TREE = "identity:list_role_assignments_for_tree"


@identity.get(
    "/v3/role_assignments",
    policy_in_handler="identity:list_role_assignments",
    response=listed("role_assignments", wire.ROLE_ASSIGNMENT),
    query=wire.QUERY,
)
def browse(call: Call) -> Any:
    """List role assignments."""
    wanted = _wanted(call)
    entries = model.browse(call.tx, wanted)
    names = model.names(call.tx, entries) if _said(call, "include_names") else None
    here = f"{call.base_url}{call.path}" + (f"?{call.raw_query}" if call.raw_query else "")
    return {
        "role_assignments": [wire.shown(call, entry, names) for entry in entries],
        "links": {"next": None, "self": here, "previous": None},
    }


def _tree(call: Call, project_id: str) -> dict[str, Any]:
    row = lookups.get(call.tx, ProjectRow, project_id)
    return {**target("project", row), **({} if row.is_domain else {"target.domain_id": row.domain_id})}


def _said(call: Call, name: str) -> bool:
    return name in call.query and truth(call.query[name][-1])


def _wanted(call: Call) -> ListQuery:
    def last(name: str) -> str | None:
        values: list[str] = call.query.get(name, [])
        return values[-1] if values else None

    project_id, subtree = last("scope.project.id"), _said(call, "include_subtree")
    within = None
    if subtree:
        call.require(_TREE, _tree(call, project_id) if project_id else {})
    else:
        within = listing_domain(call, "identity:list_role_assignments")
    inherited = last("scope.OS-INHERIT:inherited_to")
    return ListQuery(
        user_id=last("user.id"),
        group_id=last("group.id"),
        role_id=last("role.id"),
        project_id=project_id,
        domain_id=last("scope.domain.id"),
        system="scope.system" in call.query,
        inherited=None if inherited is None else inherited == "projects",
        effective=_said(call, "effective"),
        subtree=subtree,
        within_domain=within,
    )
