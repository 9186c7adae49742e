"""The only module of identity that others import.

`IdentityContext(secrets, region)` is made once per process; its `authenticate(tx, token) -> Caller` is what the HTTP
app calls for each request of every service.

`effective_limits(tx, project_id, service_type, names, region) -> {name: amount}` are the unified limits of a project:
its own or the registered ones, -1 for no limit; a name that nobody registered is missing. One query.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import false, or_, select, true

from cumulet.db import Transaction
from cumulet.fleet.service import Subject
from cumulet.services.identity.context import IdentityContext
from cumulet.services.identity.loops import keep_keys_fresh, rotate_keys
from cumulet.services.identity.model import names
from cumulet.services.identity.model.adoption import adopt
from cumulet.services.identity.model.bootstrap import bootstrap
from cumulet.services.identity.model.first_passwords import AdminsPassword
from cumulet.services.identity.model.first_passwords import put as put_password
from cumulet.services.identity.model.generation import current as generation
from cumulet.services.identity.model.generation import surpass as surpass_generation
from cumulet.services.identity.model.limits import effective as effective_limits
from cumulet.services.identity.model.owners import owners
from cumulet.services.identity.model.password_rules import PasswordRules
from cumulet.services.identity.tables import endpoints, folded, groups, projects, roles, services, users

__all__ = [
    "AdminsPassword",
    "IdentityContext",
    "PasswordRules",
    "adopt",
    "bootstrap",
    "effective_limits",
    "endpoint_url",
    "find",
    "generation",
    "keep_keys_fresh",
    "owners",
    "project_exists",
    "project_named",
    "project_names",
    "put_password",
    "rotate_keys",
    "surpass_generation",
]


def project_names(tx: Transaction, ids: Iterable[str]) -> dict[str, str]:
    """Names of those of `ids` that are projects. One query, none for no ids."""
    wanted = list(set(ids))
    if not wanted:
        return {}
    found = select(projects.c.id, projects.c.name).where(projects.c.id.in_(wanted), projects.c.is_domain == false())
    return {row.id: row.name for row in tx.rows(found)}


def project_named(tx: Transaction, name: str) -> str:
    """Id of the default domain's project of this name; empty without one. One query."""
    found = select(projects.c.id).where(projects.c.domain_id == "default", projects.c.is_domain == false())
    return str(tx.scalar(names.best(found, projects, name)) or "")


def find(tx: Transaction, text: str) -> list[Subject]:
    """Domains, projects, users, groups and roles with this id or name, for ``explain``; 20 of each at most."""
    found = []
    for kind, table in (("project", projects), ("user", users), ("group", groups), ("role", roles)):
        query = select(table).where(or_(table.c.id == text, table.c.name_key == folded(text)))
        for row in tx.rows(query.limit(20)):
            is_domain = kind == "project" and row.is_domain
            found.append(Subject("domain" if is_domain else kind, row.id, row.name))
    return found


def project_exists(tx: Transaction, project_id: str) -> bool:
    """Whether there is such a project. One query."""
    found = select(projects.c.id).where(projects.c.id == project_id, projects.c.is_domain == false())
    return tx.row(found) is not None


def endpoint_url(tx: Transaction, service_type: str, region: str, interface: str) -> str | None:
    """The URL of a service's endpoint in the catalog; None without one, or when it needs a project. One query."""
    query = (
        select(endpoints.c.url)
        .join(services, services.c.id == endpoints.c.service_id)
        .where(
            services.c.type == service_type,
            services.c.enabled == true(),
            endpoints.c.region_id == region,
            endpoints.c.interface == interface,
            endpoints.c.enabled == true(),
        )
        .order_by(endpoints.c.id)
    )
    row = tx.row(query)
    return None if row is None or "(" in row.url else str(row.url)
