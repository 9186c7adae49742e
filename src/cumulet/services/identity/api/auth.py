"""What one's own token gives access to: catalog, projects, domains, system."""

from __future__ import annotations

from typing import Any

from cumulet.http import Call
from cumulet.http.bodies import Query, under
from cumulet.http.faults import NotAllowed
from cumulet.services.identity.context import IdentityContext
from cumulet.services.identity.model import access, projects
from cumulet.services.identity.service import identity
from cumulet.services.identity.wire import projects as wire
from cumulet.services.identity.wire.collections import LINK, collection, listed, self_link
from cumulet.services.identity.wire.tokens import CATALOG


@identity.get(
    "/v3/auth/catalog",
    policy="identity:get_auth_catalog",
    response=under("catalog", CATALOG, links=LINK),
    query=Query({}),
)
def catalog(call: Call) -> Any:
    """Show the catalog of one's token."""
    context: IdentityContext = call.context
    record = context.tokens.find(call.tx, _token(call))
    if record.payload.scope != "project":
        raise NotAllowed("A project-scoped token is required to produce a service catalog.")
    return {"catalog": record.catalog(), "links": self_link(call, "auth/catalog")}


def _token(call: Call) -> str:
    return call.headers.get("x-auth-token") or call.headers["x-storage-token"]


def own_actor(call: Call) -> access.Actor:
    """The caller, with the groups that an identity provider gave."""
    return call.caller.user_id, call.caller.token.facts.groups


@identity.get(
    "/v3/auth/projects",
    policy="identity:get_auth_projects",
    response=listed("projects", wire.PROJECT),
    query=wire.REACHABLE_QUERY,
)
def browse_projects(call: Call) -> Any:
    """List the projects one can get a token for."""
    rows = projects.enabled_reachable(call.tx, call.query, own_actor(call), domains=False)
    return collection(call, "projects", projects.with_tags(call.tx, rows), wire.shown)


@identity.get(
    "/v3/auth/domains",
    policy="identity:get_auth_domains",
    response=listed("domains", wire.DOMAIN),
    query=wire.REACHABLE_QUERY,
)
def browse_domains(call: Call) -> Any:
    """List the domains one can get a token for."""
    rows = projects.enabled_reachable(call.tx, call.query, own_actor(call), domains=True)
    return collection(call, "domains", projects.with_tags(call.tx, rows), wire.shown_domain)


@identity.get(
    "/v3/auth/system",
    policy="identity:get_auth_system",
    response=under("system", [{"all": bool}], links=LINK),
    query=Query({}),
)
def show_system(call: Call) -> Any:
    """Tell whether one can get a token for the system."""
    has = bool(access.system_roles(call.tx, *own_actor(call)))
    return {"system": [{"all": True}] if has else [], "links": self_link(call, "auth/system")}
