"""Projects and domains: one table, one tree, because a domain is a project that others belong to.

Disabling one ends the tokens for it, and a domain's users' tokens too. Deleting asks no other service: what a project
owned elsewhere stays, as in OpenStack.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, false, func, or_, select, true

from cumulet.db import Transaction, TypedSelect, select_as
from cumulet.engine import timeline
from cumulet.http.collections import Query
from cumulet.http.faults import BadRequest, Conflict, NotAllowed
from cumulet.services.identity.model import (
    access,
    delegations,
    domain_configs,
    endpoint_filters,
    federated_users,
    generation,
    lookups,
    options,
    revocations,
)
from cumulet.services.identity.model import project_tags as labels
from cumulet.services.identity.model.filters import listed, truth
from cumulet.services.identity.tables import (
    ROOT,
    DomainRow,
    ProjectRow,
    ProjectTagRow,
    assignments,
    groups,
    identity_providers,
    implied_roles,
    limits,
    memberships,
    project_tags,
    projects,
    roles,
    users,
)

COLUMNS = {
    "id": projects.c.id,
    "name": projects.c.name,
    "domain_id": projects.c.domain_id,
    "parent_id": projects.c.parent_id,
    "enabled": projects.c.enabled,
}
DEFAULT_DOMAIN = "default"
DEEPEST = 5
Tagged = tuple[ProjectRow, list[str]]


def browse(tx: Transaction, query: Query, domain_id: str | None) -> Sequence[ProjectRow]:
    """Projects that fit `query`; projects that act as domains only with ``is_domain``. One query."""
    domains = "is_domain" in query and truth(query["is_domain"][-1])
    wanted = select_as(ProjectRow).where(projects.c.is_domain == (true() if domains else false()))
    if domain_id is not None:
        wanted = wanted.where(projects.c.domain_id == domain_id)
    return listed(tx, _tagged(wanted, query), query, COLUMNS)


def browse_domains(tx: Transaction, query: Query, domain_id: str | None) -> Sequence[ProjectRow]:
    """Domains that fit `query`. One query."""
    wanted = select_as(ProjectRow).where(projects.c.is_domain == true())
    if domain_id is not None:
        wanted = wanted.where(projects.c.id == domain_id)
    return listed(tx, wanted, query, {k: COLUMNS[k] for k in ("id", "name", "enabled")})


def reachable(tx: Transaction, query: Query, user_id: str, *, domains: bool = False) -> Sequence[ProjectRow]:
    """Projects (or domains) on which the user has a role. One query."""
    where = access.reachable_domains(user_id) if domains else access.reachable_projects(user_id)
    return listed(tx, select_as(ProjectRow).where(where), query, COLUMNS)


def enabled_reachable(tx: Transaction, query: Query, who: access.Actor, *, domains: bool) -> Sequence[ProjectRow]:
    """Those of `reachable` for which a token can be had. One query."""
    where = access.reachable_domains(*who) if domains else access.reachable_projects(*who)
    above = projects.alias("above")
    living = select(above.c.id).where(above.c.enabled)
    usable = or_(projects.c.domain_id == ROOT, projects.c.domain_id.in_(living))
    return listed(tx, select_as(ProjectRow).where(where, projects.c.enabled, usable), query, COLUMNS)


def _tagged(statement: TypedSelect[ProjectRow], query: Query) -> TypedSelect[ProjectRow]:
    """Keystone's four filters on tags: all of, any of, and their negations."""
    for key in ("tags", "tags-any", "not-tags", "not-tags-any"):
        if key not in query:
            continue
        names = [name for name in query[key][-1].split(",") if name]
        having = select(project_tags.c.project_id).where(project_tags.c.name.in_(names))
        if not key.endswith("-any"):
            having = having.group_by(project_tags.c.project_id).having(func.count() == len(set(names)))
        within: ColumnElement[bool] = projects.c.id.in_(having)
        statement = statement.where(~within if key.startswith("not") else within)
    return statement


def with_tags(tx: Transaction, rows: Sequence[ProjectRow]) -> list[Tagged]:
    """Each row with its tags. One query."""
    if not rows:
        return []
    wanted = select_as(ProjectTagRow).where(project_tags.c.project_id.in_([row.id for row in rows]))
    found: dict[str, list[str]] = {}
    for tag in tx.rows(wanted.order_by(project_tags.c.name)):
        found.setdefault(tag.project_id, []).append(tag.name)
    return [(row, found.get(row.id, [])) for row in rows]


def create(tx: Transaction, fields: Mapping[str, Any], tags: Sequence[str] = ()) -> Tagged:
    """A new project, or a domain with `is_domain`. Raises 400, 404, 409."""
    values = {**fields, "description": fields.get("description") or "", "name": fields["name"].strip()}
    values.setdefault("id", uuid.uuid4().hex)
    values["options"] = options.merged({}, values.get("options", {}), options.FOR_RESOURCES)
    if values.get("is_domain"):
        if values.get("parent_id") or values.get("domain_id"):
            raise BadRequest("only root projects are allowed to act as domains.")
        values.update(domain_id=ROOT, parent_id=None)
    else:
        values["parent_id"] = values.get("parent_id") or values["domain_id"]
        _check_parent(tx, values)
    lookups.insert(tx, projects, values, _taken(values["name"], bool(values.get("is_domain"))))
    labels.replace(tx, values["id"], tags)
    timeline.record(tx, values["id"], "created", f"The {_noun(values.get('is_domain'))} was created.")
    generation.bump(tx)
    return with_tags(tx, [lookups.get(tx, ProjectRow, values["id"])])[0]


def _check_parent(tx: Transaction, values: Mapping[str, Any]) -> None:
    parent = lookups.find(tx, ProjectRow, values["parent_id"])
    for noun, row in (("domain", lookups.find(tx, DomainRow, values["domain_id"])), ("project", parent)):
        if row is None:
            raise BadRequest(lookups.missing(noun, values["domain_id" if noun == "domain" else "parent_id"]).message)
    assert parent is not None
    its_domain = parent.id if parent.is_domain else parent.domain_id
    if its_domain != values["domain_id"]:
        if parent.is_domain:
            raise BadRequest(
                f"Cannot create project, the parent ({parent.id}) is acting as a domain, but this project's domain id "
                f"({values['domain_id']}) does not match the parent's id."
            )
        raise BadRequest(
            f"Cannot create project, since it specifies its domain_id {values['domain_id']}, but specifies a parent in "
            f"a different domain ({its_domain})."
        )
    above = tx.rows(select_as(ProjectRow).where(projects.c.id.in_(access.ancestors(parent.id))))
    for row in (*above, parent):
        if not row.enabled:
            raise BadRequest(f"cannot create a project in a branch containing a disabled project: {row.id}")
    if len(above) + 1 > DEEPEST:
        raise NotAllowed(f"Max hierarchy depth reached for {parent.id} branch.")


def update(tx: Transaction, row: ProjectRow, fields: Mapping[str, Any], tags: Sequence[str] | None) -> Tagged:
    """Change a project or domain. Raises 400, 403, 409."""
    options.check_update("domain" if row.is_domain else "project", row, fields)
    values = dict(fields)
    if "options" in values:
        values["options"] = options.merged(row.options, values["options"], options.FOR_RESOURCES)
    if (values.pop("domain_id", None) or row.domain_id) != row.domain_id:
        raise BadRequest("Cannot change Domain ID")
    if values.pop("parent_id", row.parent_id) != row.parent_id:
        raise NotAllowed("Update of `parent_id` is not allowed.")
    if values.pop("is_domain", row.is_domain) != row.is_domain:
        raise BadRequest("Update of `is_domain` is not allowed.")
    if "description" in values:
        values["description"] = values["description"] or ""
    if row.enabled and values.get("enabled") is False:
        _disable(tx, row)
        whose: dict[str, Any] = {"domain_id" if row.is_domain else "project_id": row.id}
        revocations.record(tx, **whose)
        values["epoch"] = projects.c.epoch + 1
    elif not row.enabled and values.get("enabled"):
        above = select(projects.c.id).where(projects.c.id.in_(access.ancestors(row.id)), projects.c.enabled == false())
        if tx.row(above) is not None:
            raise NotAllowed(f"Cannot enable project {row.id} since it has disabled parents")
    lookups.change(tx, projects, row.id, values, _taken(values.get("name", row.name), row.is_domain))
    if tags is not None:
        labels.replace(tx, row.id, tags)
    changed = [name for name, value in fields.items() if value != getattr(row, name)]
    changed += [] if tags is None else ["tags"]
    message = f"The {_noun(row.is_domain)} was changed: {', '.join(changed) or 'nothing'}."
    timeline.record(tx, row.id, "updated", message)
    generation.bump(tx)
    return with_tags(tx, [lookups.get(tx, ProjectRow, row.id)])[0]


def _disable(tx: Transaction, row: ProjectRow) -> None:
    if row.is_domain:
        tx.update(users, users.c.domain_id == row.id, epoch=users.c.epoch + 1)
        tx.update(projects, projects.c.domain_id == row.id, epoch=projects.c.epoch + 1)
    elif tx.row(select(projects.c.id).where(projects.c.parent_id == row.id, projects.c.enabled)) is not None:
        raise NotAllowed(f"Cannot disable project {row.id} since its subtree contains enabled projects.")


def delete(tx: Transaction, row: ProjectRow) -> None:
    """Delete a project, with the grants on it. Raises 403."""
    if row.is_domain:
        delete_domain(tx, row)
        return
    options.check_delete("project", row)
    if tx.row(select(projects.c.id).where(projects.c.parent_id == row.id)) is not None:
        raise NotAllowed(
            f"Cannot delete the project {row.id} since it is not a leaf in the hierarchy. Use the cascade option if "
            "you want to delete a whole subtree."
        )
    tx.delete(assignments, assignments.c.target_id == row.id)
    delegations.forget_projects(tx, [row.id])
    endpoint_filters.forget(tx, project_ids=[row.id])
    tx.delete(limits, limits.c.project_id == row.id)
    tx.delete(project_tags, project_tags.c.project_id == row.id)
    tx.update(users, users.c.default_project_id == row.id, default_project_id=None)
    tx.delete(projects, projects.c.id == row.id)
    timeline.record(tx, row.id, timeline.DELETED, "The project was deleted.", {"name": row.name})
    generation.bump(tx)


def _noun(is_domain: object) -> str:
    return "domain" if is_domain else "project"


def delete_domain(tx: Transaction, row: ProjectRow) -> None:
    """Delete a disabled domain with all that is in it. Raises 403."""
    options.check_delete("domain", row)
    if row.id == DEFAULT_DOMAIN:
        raise NotAllowed("You are not authorized to perform the requested action: delete the default domain.")
    if row.enabled:
        raise NotAllowed("Cannot delete a domain that is enabled, please disable it first.")
    inside = select(projects.c.id).where(or_(projects.c.domain_id == row.id, projects.c.id == row.id))
    its_users = select(users.c.id).where(users.c.domain_id == row.id)
    its_groups = select(groups.c.id).where(groups.c.domain_id == row.id)
    its_roles = select(roles.c.id).where(roles.c.domain_id == row.id)
    gone = (
        assignments.c.target_id.in_(inside),
        assignments.c.actor_id.in_(its_users),
        assignments.c.actor_id.in_(its_groups),
        assignments.c.role_id.in_(its_roles),
    )
    tx.delete(assignments, or_(*gone))
    tx.delete(memberships, or_(memberships.c.user_id.in_(its_users), memberships.c.group_id.in_(its_groups)))
    tx.delete(implied_roles, or_(implied_roles.c.prior_id.in_(its_roles), implied_roles.c.implied_id.in_(its_roles)))
    tx.delete(project_tags, project_tags.c.project_id.in_(inside))
    delegations.forget_users(tx, its_users)
    delegations.forget_projects(tx, inside)
    endpoint_filters.forget(tx, project_ids=inside)
    delegations.forget_roles(tx, its_roles)
    tx.delete(limits, or_(limits.c.project_id.in_(inside), limits.c.domain_id == row.id))
    tx.update(users, users.c.default_project_id.in_(inside), default_project_id=None)
    federated_users.forget_providers(tx, identity_providers.c.domain_id == row.id)
    federated_users.forget_users(tx, its_users)
    domain_configs.forget(tx, row.id)
    for table in (users, groups, roles, projects):
        tx.delete(table, table.c.domain_id == row.id)
    tx.delete(projects, projects.c.id == row.id)
    generation.bump(tx)


def _taken(name: str, is_domain: bool) -> Conflict:
    if is_domain:
        words = f"it is not permitted to have two projects acting as domains with the same name: {name}"
    else:
        words = f"it is not permitted to have two projects with the same name in the same domain : {name}"
    return lookups.conflict("project", words)
