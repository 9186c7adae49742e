"""What a login through an identity provider leaves here: the user's row, groups for a while, projects with roles.

A mapping that names what does not exist admits nobody and leaves nothing. Nothing is written when nothing is new.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from msgspec import Struct
from sqlalchemy import select, tuple_
from sqlalchemy.exc import IntegrityError

from cumulet.auth import Unauthenticated
from cumulet.db import Database, Transaction, select_as
from cumulet.db.in_list import in_list
from cumulet.http.faults import Fault, NotAllowed, Unauthorized
from cumulet.services.identity.model import federated_users, generation, names
from cumulet.services.identity.model import projects as project_rows
from cumulet.services.identity.model.identity_providers import MINUTE
from cumulet.services.identity.model.mapping_rules import Mapped
from cumulet.services.identity.tables import (
    FEDERATED,
    AssignmentRow,
    ExpiringMembershipRow,
    IdentityProviderRow,
    UserRow,
    assignments,
    expiring_memberships,
    folded,
    groups,
    projects,
    roles,
    users,
)
from cumulet.services.identity.tables import federated_users as table

MOST_GROUPS = 100  # a token names its groups, and has to fit into a header
_LONGEST_ID, _LONGEST_NAME, _LONGEST_PROJECT = 255, 255, 64


class Entrant(Struct, frozen=True):
    """Whom a mapping lets in. `idp`: the identity provider's row; the user has a name and an id."""

    idp: IdentityProviderRow
    protocol_id: str
    mapping_id: str
    schema_version: str
    mapped: Mapped

    @property
    def unique_id(self) -> str:
        """What the identity provider calls the user."""
        return quote(self.mapped.user["id"])


class _Roles(Struct, frozen=True):
    """The roles that a user is to have on a project of that name and domain."""

    name: str
    domain_id: str
    role_ids: tuple[str, ...]


def local_user(tx: Transaction, user: dict[str, Any]) -> str:
    """The id of the local user whom a mapping means, by id, or by name and domain. Raises `Unauthenticated`."""
    wanted = select(users.c.id, users.c.name, users.c.namesake)
    if user.get("id"):
        wanted = wanted.where(users.c.id == user["id"])
    elif user.get("name") and user.get("domain"):
        wanted = wanted.where(users.c.domain_id == _domain_id(tx, user["domain"]))
        wanted = names.best(wanted, users, user["name"])
    else:
        raise Unauthorized("The mapping must give a local user's id, or name and domain.")
    rows = tx.rows(wanted)
    if not user.get("id"):
        rows = [row for row in rows if row.name == user["name"]] or [row for row in rows if not row.namesake]
    if len(rows) != 1:
        raise Unauthenticated("The request you have made requires authentication.")
    return str(rows[0].id)


def admit(db: Database, entrant: Entrant) -> tuple[str, tuple[str, ...]]:
    """The user's id, and the ids of the groups that the mapping gives. Raises 401, 403."""
    if len(entrant.unique_id) > _LONGEST_ID or len(entrant.mapped.user["name"]) > _LONGEST_NAME:
        raise Unauthorized("The mapping makes a user name or id that is too long.")
    with db.read() as tx:
        group_ids = _groups(tx, entrant)
        wanted = _wanted_roles(tx, entrant)
        writes = wanted or entrant.schema_version == "3.0" or entrant.idp.authorization_ttl
        user_id = None if writes else _known(tx, entrant)
    if user_id is not None:
        return user_id, group_ids
    try:
        return _enter(db, entrant, group_ids, wanted), group_ids
    except IntegrityError:  # the same user came twice at once, and the other login has made the row
        return _enter(db, entrant, group_ids, wanted), group_ids


def _enter(db: Database, entrant: Entrant, group_ids: Sequence[str], wanted: Sequence[_Roles]) -> str:
    with db.transaction() as tx:
        user_id = _user(tx, entrant)
        _remember_groups(tx, entrant, user_id, group_ids)
        _grant(tx, entrant, user_id, wanted)
    return user_id


def _known(tx: Transaction, entrant: Entrant) -> str | None:
    """The id of the user whose row says already what it should."""
    user_id = federated_users.find(tx, entrant.idp.id, entrant.protocol_id, entrant.unique_id)
    row = tx.row(select_as(UserRow).where(users.c.id == user_id)) if user_id else None
    return row.id if row is not None and not _news(row, entrant) else None


def _news(row: UserRow, entrant: Entrant) -> dict[str, Any]:
    """What has changed of a federated user; a local one is its own."""
    if row.origin != FEDERATED:
        return {}
    user, news = entrant.mapped.user, {}
    if row.name != user["name"]:
        news["name"] = user["name"]
    if user.get("email") and row.extra.get("email") != user["email"]:
        news["extra"] = {**row.extra, "email": user["email"]}
    return news


def _user(tx: Transaction, entrant: Entrant) -> str:
    user_id = federated_users.find(tx, entrant.idp.id, entrant.protocol_id, entrant.unique_id)
    row = tx.row(select_as(UserRow).where(users.c.id == user_id)) if user_id else None
    if row is not None:
        if news := _news(row, entrant):
            tx.update(users, users.c.id == row.id, **names.renamed(users, news))
            generation.bump(tx)
        return row.id
    user = entrant.mapped.user
    user_id = uuid.uuid4().hex
    domain_id = _domain_id(tx, user["domain"]) if user.get("domain") else entrant.idp.domain_id
    extra = {"email": user["email"]} if user.get("email") else {}
    tx.insert(
        users,
        {
            "id": user_id,
            "name": user["name"],
            "domain_id": domain_id,
            "created_at": tx.now,
            "extra": extra,
            "origin": FEDERATED,
        },
    )
    key = {"idp_id": entrant.idp.id, "protocol_id": entrant.protocol_id, "unique_id": entrant.unique_id}
    tx.insert(table, {**key, "user_id": user_id})
    generation.bump(tx)
    return user_id


def _domain_id(tx: Transaction, domain: dict[str, str]) -> str:
    """Raises 401 for a domain that is not there."""
    value = domain["id"] if "id" in domain else names.domain_id(domain.get("name", ""))
    row = tx.row(select(projects.c.id).where(projects.c.is_domain, projects.c.id == value))
    if row is None:
        raise Unauthorized("The mapping names a domain that does not exist.")
    return str(row.id)


def _groups(tx: Transaction, entrant: Entrant) -> tuple[str, ...]:
    """Ids of the groups of the mapping; names that no group has are passed over, as Keystone does. Two queries."""
    mapped = entrant.mapped
    there = {row.id for row in tx.rows(select(groups.c.id).where(in_list(groups.c.id, mapped.group_ids)))}
    missing = [group_id for group_id in mapped.group_ids if group_id not in there]
    if missing:
        raise Unauthorized(f"Group {missing[0]} returned by mapping {entrant.mapping_id} was not found in the backend.")
    found = dict.fromkeys(mapped.group_ids)
    if mapped.groups:
        domain = projects.alias("domain")
        named = (
            select(
                groups.c.id, groups.c.name, groups.c.namesake, groups.c.domain_id, domain.c.name.label("domain_name")
            )
            .join(domain, domain.c.id == groups.c.domain_id)
            .where(in_list(groups.c.name_key, [folded(name) for name, _ in mapped.groups]))
            .order_by(domain.c.namesake.desc())
        )
        by_id: names.Book[str] = names.Book()
        by_name: names.Book[str] = names.Book()
        for row in tx.rows(named):
            by_id.add(row.domain_id, row, row.id)
            by_name.add(row.domain_name, row, row.id)
            by_name.add((folded(row.domain_name),), row, row.id)
        for name, where in mapped.groups:
            if "id" in where:
                group_id = by_id.get(where["id"], name)
            else:
                its = where.get("name", "")
                group_id = by_name.get(its, name) or by_name.get((folded(its),), name)
            if group_id is not None:
                found[group_id] = None
    if len(found) > MOST_GROUPS:
        raise NotAllowed(f"The mapping gives {len(found)} groups; a token carries {MOST_GROUPS} at most.")
    return tuple(sorted(found))


def _remember_groups(tx: Transaction, entrant: Entrant, user_id: str, group_ids: Sequence[str]) -> None:
    """Memberships that outlive the token, when the identity provider has a time for them; older ones end."""
    ttl = entrant.idp.authorization_ttl or 0
    of_user = (expiring_memberships.c.user_id == user_id) & (expiring_memberships.c.idp_id == entrant.idp.id)
    before = {row.group_id for row in tx.rows(select_as(ExpiringMembershipRow).where(of_user))}
    if not ttl and not before:
        return
    tx.delete(expiring_memberships, of_user)
    key = {"user_id": user_id, "idp_id": entrant.idp.id, "verified_at": tx.now, "expires_at": tx.now + ttl * MINUTE}
    tx.insert(expiring_memberships, [{**key, "group_id": group_id} for group_id in group_ids] if ttl else [])
    if before != set(group_ids):
        generation.bump(tx)


def _wanted_roles(tx: Transaction, entrant: Entrant) -> list[_Roles]:
    """The projects and roles of the mapping. Raises 401 for a role that is not there, or is another domain's."""
    if not entrant.mapped.projects:
        return []
    domain_id = entrant.idp.domain_id
    known: names.Book[str] = names.Book()
    every = select(roles.c.id, roles.c.name, roles.c.namesake, roles.c.domain_id).order_by(roles.c.domain_id.desc())
    for row in tx.rows(every):
        if row.domain_id in ("", domain_id):
            known.add("", row, row.id)
    found: list[_Roles] = []
    domains: dict[str, str] = {}
    for project in entrant.mapped.projects:
        role_ids = {role["name"]: known.get("", role["name"]) for role in project["roles"]}
        missing = [name for name, role_id in role_ids.items() if role_id is None]
        if missing:
            raise Unauthorized(f"Could not find role: {missing[0]}.")
        if not 1 <= len(project["name"].strip()) <= _LONGEST_PROJECT:
            raise Unauthorized("The mapping makes a project name that is empty or too long.")
        where = project.get("domain") or {"id": domain_id}
        if str(where) not in domains:
            domains[str(where)] = _domain_id(tx, where)
        ids = tuple(dict.fromkeys(role_id for role_id in role_ids.values() if role_id is not None))
        found.append(_Roles(project["name"].strip(), domains[str(where)], ids))
    return found


def _grant(tx: Transaction, entrant: Entrant, user_id: str, wanted: Sequence[_Roles]) -> None:
    """Make the projects that are missing and give the roles; from schema version 3.0 take away all others."""
    mine = (assignments.c.actor_id == user_id) & (assignments.c.target_type == "project") & ~assignments.c.inherited
    before = {(row.target_id, row.role_id) for row in tx.rows(select_as(AssignmentRow).where(mine))}
    ids = _project_ids(tx, wanted)
    after = {(ids[each.name, each.domain_id], role_id) for each in wanted for role_id in each.role_ids}
    rows = [
        {
            "actor_id": user_id,
            "actor_type": "user",
            "target_type": "project",
            "target_id": project_id,
            "role_id": role_id,
            "inherited": False,
        }
        for project_id, role_id in sorted(after - before)
    ]
    tx.insert(assignments, rows)
    gone = before - after if entrant.schema_version == "3.0" else set()
    if gone:
        tx.delete(assignments, mine & tuple_(assignments.c.target_id, assignments.c.role_id).in_(sorted(gone)))
    if rows or gone:
        generation.bump(tx)


def _project_ids(tx: Transaction, wanted: Sequence[_Roles]) -> dict[tuple[str, str], str]:
    """(name, domain id) → id of the projects, which are there afterwards. Raises 401 for one that cannot be made."""
    named = select(projects.c.id, projects.c.name, projects.c.namesake, projects.c.domain_id).where(
        ~projects.c.is_domain, in_list(projects.c.name_key, [folded(each.name) for each in wanted])
    )
    there: names.Book[str] = names.Book()
    for row in tx.rows(named) if wanted else ():
        there.add(row.domain_id, row, row.id)
    found: dict[tuple[str, str], str] = {}
    for each in wanted:
        known = there.get(each.domain_id, each.name)
        if known is not None:
            found[each.name, each.domain_id] = known
        elif (each.name, each.domain_id) not in found:
            try:
                made, _tags = project_rows.create(tx, {"name": each.name, "domain_id": each.domain_id})
            except Fault as refused:
                raise Unauthorized(f"The project of the mapping cannot be made: {refused.message}") from None
            found[each.name, each.domain_id] = made.id
            there.add(each.domain_id, made, made.id)
    return found
