"""Projects and users that adopted things belong to.

A database that was lost has been begun anew: its `demo` is a new project with another id. Where the things of the lost
one say that they are `demo`'s, the new project, which owns nothing yet, becomes that one: its id changes, its roles and
its users stay, and who logs in as demo finds the servers. A user who has no row gets one without a password and without
any role: what they may do is not for a node to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Table, select

from cumulet.db import Transaction
from cumulet.db.in_list import in_list
from cumulet.desired.records import Owner
from cumulet.fleet.door import Adoption
from cumulet.services.identity.model import generation
from cumulet.services.identity.model.bootstrap import DOMAIN
from cumulet.services.identity.tables import (
    LOCAL,
    ROOT,
    application_credentials,
    assignments,
    credentials,
    folded,
    limits,
    memberships,
    old_passwords,
    project_endpoint_groups,
    project_endpoints,
    project_tags,
    projects,
    totp_uses,
    trusts,
    users,
)

_PROJECT_IN = (
    (assignments, "target_id"),
    (project_tags, "project_id"),
    (users, "default_project_id"),
    (projects, "parent_id"),
    (credentials, "project_id"),
    (application_credentials, "project_id"),
    (trusts, "project_id"),
    (limits, "project_id"),
    (project_endpoints, "project_id"),
    (project_endpoint_groups, "project_id"),
)
_USER_IN = (
    (assignments, "actor_id"),
    (memberships, "user_id"),
    (credentials, "user_id"),
    (application_credentials, "user_id"),
    (trusts, "trustor_user_id"),
    (trusts, "trustee_user_id"),
    (old_passwords, "user_id"),
    (totp_uses, "user_id"),
)
"""Where a project or a user is meant by its id."""
_LOCAL_ID = re.compile(r"[0-9a-f]{32}")
"""Of a user who is nobody's but ours. Those of directories have longer ones, which follow from their names: who were
made with one could log in as that user later."""
_LONGEST = {projects: 64, users: 255}


def adopt(tx: Transaction, adoption: Adoption) -> None:
    """Rows for the projects and users that have none."""
    _domains(tx, adoption, [*adoption.projects.values(), *adoption.users.values()])
    made = _owners(tx, adoption, "project", adoption.projects.values())
    people = [user for user in adoption.users.values() if user.origin == LOCAL and _LOCAL_ID.fullmatch(user.id)]
    made |= _owners(tx, adoption, "user", people)
    if made:
        generation.bump(tx)


def _domains(tx: Transaction, adoption: Adoption, owners: Iterable[Owner]) -> None:
    owners = list(owners)
    plain = select(projects.c.id).where(projects.c.is_domain.is_(False))
    no_domains = {"", *tx.execute(plain.where(in_list(projects.c.id, {one.domain_id for one in owners}))).scalars()}
    for owner in owners:
        if owner.domain_id in no_domains:
            owner.domain_id = DOMAIN
    named = {owner.domain_id: owner.domain for owner in owners}
    known = set(tx.execute(select(projects.c.id).where(in_list(projects.c.id, named))).scalars())
    taken = set(tx.execute(select(projects.c.name_key).where(projects.c.is_domain)).scalars())
    for id in sorted(named.keys() - known):
        name = named[id] if named[id] and folded(named[id]) not in taken else f"adopted-{id[:8]}"
        taken.add(folded(name))
        tx.insert(projects, {"id": id, "name": name[:64], "domain_id": ROOT, "is_domain": True, "enabled": True})
        adoption.note("domain", id, name)


def _owners(tx: Transaction, adoption: Adoption, kind: str, owners: Iterable[Owner]) -> bool:
    """Whether anything was written."""
    table = projects if kind == "project" else users
    wanted = {owner.id: owner for owner in owners if owner.id}
    known = set(tx.execute(select(table.c.id).where(in_list(table.c.id, wanted))).scalars())
    missing = [wanted[id] for id in sorted(wanted.keys() - known)]
    if not missing:
        return False
    columns = (table.c.id, table.c.name_key, table.c.domain_id)
    names = {
        (row.domain_id, row.name_key): row.id for row in tx.rows(select(*columns).order_by(table.c.namesake.desc()))
    }
    for owner in missing:
        name = owner.name[: _LONGEST[table]]
        holder = names.get((owner.domain_id, folded(name))) if name else None
        if holder is not None and adoption.foreign and holder not in adoption.busy and holder not in wanted:
            _become(tx, table, holder, owner.id)
            if table is projects:
                adoption.became[holder] = owner.id
            names[owner.domain_id, folded(name)] = owner.id
            adoption.note(kind, owner.id, name, f"the {kind} {name} of these rows has its id now")
            continue
        if not name or holder is not None:
            name = f"adopted-{owner.id[:8]}" if not name else f"{name[:46]}-{owner.id[:8]}"
            if (owner.domain_id, folded(name)) in names:
                name = f"adopted-{owner.id}"[: _LONGEST[table]]
        names[owner.domain_id, folded(name)] = owner.id
        tx.insert(table, {"id": owner.id, "name": name, "domain_id": owner.domain_id, **_rest(tx, table, owner)})
        adoption.note(kind, owner.id, name, "has no password and no role" if table is users else "nobody has a role")
    return True


def _rest(tx: Transaction, table: Table, owner: Owner) -> dict[str, Any]:
    if table is users:
        return {"created_at": tx.now, "password_hash": None}
    return {"parent_id": owner.domain_id, "description": "Adopted: made of what nodes kept.", "is_domain": False}


def _become(tx: Transaction, table: Table, old: str, new: str) -> None:
    """The row has another id from now on, wherever it is meant."""
    tx.update(table, table.c.id == old, id=new)
    for place, name in _PROJECT_IN if table is projects else _USER_IN:
        if place.c[name].primary_key:  # of somebody who had that id and is gone
            tx.delete(place, place.c[name] == new)
        tx.update(place, place.c[name] == old, **{name: new})
