"""What a token shall be for, as its request says: a project, a domain, the system, a trust, nothing.

Whether there are roles is not asked here: `Tokens.describe` refuses a scope without any.
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, UnsetType
from sqlalchemy import bindparam, select

from cumulet.auth import Unauthenticated
from cumulet.db import Prepared, Transaction, TypedRow, TypedSelect, select_as
from cumulet.http.faults import BadRequest
from cumulet.services.identity.model import access, names
from cumulet.services.identity.model.payloads import PLAIN
from cumulet.services.identity.model.token_sources import Scoped, trust
from cumulet.services.identity.model.tokens import REFUSED
from cumulet.services.identity.tables import UserRow, projects
from cumulet.services.identity.wire import tokens as wire

_domains = projects.alias("domains")


class _Place(TypedRow):
    """A project or a domain, as far as a token is for it."""

    id: str
    epoch: int


_NAMES = ("project", "domain", "system", "unscoped", "trust")


def expecting(what: str, where: str) -> str:
    """Keystone's sentence about something that is missing."""
    return (
        f"Expecting to find {what} in {where}. The server could not comply with the request since it is either "
        "malformed or otherwise incorrect. The client is assumed to be in error."
    )


def writes(asked: wire.Scope | str | UnsetType) -> bool:
    """Whether settling this scope changes rows: the use of a trust is counted."""
    return isinstance(asked, wire.Scope) and asked.trust is not UNSET


def settled(tx: Transaction, user: UserRow, asked: wire.Scope | str | UnsetType, groups: tuple[str, ...]) -> Scoped:
    """The scope that `user` asks for; the default one for UNSET. Raises `Unauthenticated`, 400."""
    if isinstance(asked, UnsetType):
        return _default(tx, user, groups)
    if isinstance(asked, str):
        return Scoped()
    if sum(getattr(asked, name) is not UNSET for name in _NAMES) != 1:
        raise BadRequest(expecting("system, project, domain, OS-TRUST:trust or unscoped", "scope"))
    if isinstance(asked.project, wire.Project):
        return _named_project(tx, asked.project)
    if isinstance(asked.domain, wire.Domain):
        return _named_domain(tx, asked.domain)
    if isinstance(asked.system, dict):
        if asked.system.get("all") is not True:
            raise BadRequest("Invalid input for field 'scope/system': 'all' is a required property")
        return Scoped("system")
    if isinstance(asked.trust, wire.Trust):
        return trust.scope(tx, user.id, asked.trust.id)
    return Scoped()


def project(tx: Transaction, project_id: str) -> Scoped:
    """The scope of a project by id. Raises `Unauthenticated`. One query."""
    return _found("project", tx.row(_project_row(project_id)))


def domain_is(domains: Any, asked: wire.Domain) -> list[Any]:
    """Conditions on the alias `domains` of `projects`. Raises 400."""
    if asked.id:
        return [domains.c.id == asked.id]
    if not asked.name:
        raise BadRequest(expecting("id or name", "domain"))
    return [domains.c.id == names.domain_id(asked.name)]


def _named_domain(tx: Transaction, asked: wire.Domain) -> Scoped:
    wanted = select_as(_Place, _domains.c.id, _domains.c.epoch).where(_domains.c.is_domain, *domain_is(_domains, asked))
    return _found("domain", tx.row(wanted))


_PROJECTS = select_as(_Place, projects.c.id, projects.c.epoch).where(projects.c.is_domain.is_(False))
_PROJECT_NAMED = Prepared(
    names.bound(
        _PROJECTS.join(_domains, _domains.c.id == projects.c.domain_id).where(
            projects.c.domain_id == bindparam("domain")
        ),
        projects,
    )
)
_PROJECT_OF_NAMED = Prepared(names.bound(_PROJECTS.where(projects.c.domain_id == names.DOMAIN_ID), projects))


def _named_project(tx: Transaction, asked: wire.Project) -> Scoped:
    """By id, or by name and domain. A project that acts as a domain is no scope here, as in Keystone: its own domain
    is none."""
    if asked.id:
        return project(tx, asked.id)
    if not asked.name or not isinstance(asked.domain, wire.Domain):
        raise BadRequest(expecting("domain" if asked.name else "id or name", "project"))
    called = names.values(asked.name)
    if asked.domain.id:
        return _found("project", tx.row(_PROJECT_NAMED, {**called, "domain": asked.domain.id}))
    if not asked.domain.name:
        raise BadRequest(expecting("id or name", "domain"))
    return _found("project", tx.row(_PROJECT_OF_NAMED, {**called, **names.values(asked.domain.name, "domain_")}))


def _project_row(project_id: str) -> TypedSelect[_Place]:
    return select_as(_Place, projects.c.id, projects.c.epoch).where(
        projects.c.id == project_id, projects.c.is_domain.is_(False)
    )


def _found(scope: str, row: _Place | None) -> Scoped:
    if row is None:
        raise Unauthenticated(REFUSED)
    return Scoped(scope, row.id, row.epoch, facts=PLAIN)


def _default(tx: Transaction, user: UserRow, groups: tuple[str, ...]) -> Scoped:
    """The user's default project when there is a role on it, nothing otherwise."""
    if user.default_project_id:
        living = select(_domains.c.id).where(_domains.c.enabled)
        wanted = _project_row(user.default_project_id).where(projects.c.enabled, projects.c.domain_id.in_(living))
        row = tx.row(wanted)
        if row is not None and access.project_roles(tx, user.id, row.id, groups):
            return _found("project", row)
    return Scoped()
