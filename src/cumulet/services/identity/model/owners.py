"""Projects and users by their ids, with their names, for records that travel with specs of desired state."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import false, literal, select, union_all

from cumulet.db import Prepared, Transaction
from cumulet.db.in_list import in_bound_list
from cumulet.desired.records import Owner
from cumulet.services.identity.tables import LOCAL, projects, users

DEFAULT_DOMAIN = "default"

_domains = projects.alias()
_PROJECTS = (
    select(projects.c.id, projects.c.name, projects.c.domain_id, _domains.c.name.label("domain"), literal(LOCAL))
    .outerjoin(_domains, _domains.c.id == projects.c.domain_id)
    .where(in_bound_list(projects.c.id, "projects"), projects.c.is_domain == false())
)
_USERS = (
    select(users.c.id, users.c.name, users.c.domain_id, _domains.c.name.label("domain"), users.c.origin)
    .outerjoin(_domains, _domains.c.id == users.c.domain_id)
    .where(in_bound_list(users.c.id, "users"))
)
_BOTH = Prepared(union_all(_PROJECTS, _USERS))
_ONLY_PROJECTS = Prepared(_PROJECTS)


def owners(tx: Transaction, project_ids: Collection[str], user_ids: Collection[str] = ()) -> Mapping[str, Owner]:
    """Owners by id; of one that has no row only the id is known. One query, none for no ids."""
    wanted = dict.fromkeys((*project_ids, *user_ids))
    wanted.pop("", None)
    if not wanted:
        return {}
    query = _BOTH if user_ids else _ONLY_PROJECTS
    found = {id: Owner(id=id) for id in wanted}
    for id, name, domain_id, domain, origin in map(
        tuple, tx.rows(query, {"projects": list(project_ids), "users": list(user_ids)})
    ):
        ordinary = domain_id == DEFAULT_DOMAIN
        found[id] = Owner(id=id, name=name, domain_id=domain_id, domain="" if ordinary else domain or "", origin=origin)
    return found
