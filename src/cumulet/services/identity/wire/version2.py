"""Shapes of the v2.0 API, in which there is one domain and projects are tenants."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, UnsetType

from cumulet.db import iso
from cumulet.http import bodies
from cumulet.http.bodies import optional
from cumulet.http.faults import BadRequest
from cumulet.http.shapes import Open
from cumulet.services.identity.model.tokens import SECOND, Record
from cumulet.services.identity.tables import ProjectRow
from cumulet.services.identity.wire import tokens as wire

DOMAIN = "default"


class PasswordCredentials(Open):
    password: str
    username: str | UnsetType = UNSET
    userId: str | UnsetType = UNSET


class TokenCredentials(Open):
    id: str


class Auth(Open):
    passwordCredentials: PasswordCredentials | UnsetType = UNSET
    token: TokenCredentials | UnsetType = UNSET
    tenantName: str | UnsetType | None = UNSET
    tenantId: str | UnsetType | None = UNSET


class AuthRequest(Open):
    auth: Auth


def as_version3(auth: Auth) -> wire.Auth:
    """The same request in the words of v3. Raises 400."""
    domain = wire.Domain(id=DOMAIN)
    given = auth.passwordCredentials
    if not isinstance(given, UnsetType):
        user = wire.PasswordUser(password=given.password, id=given.userId, name=given.username, domain=domain)
        identity = wire.Identity(methods=["password"], password=wire.Password(user=user))
    elif not isinstance(auth.token, UnsetType):
        identity = wire.Identity(methods=["token"], token=wire.Token(id=auth.token.id))
    else:
        raise BadRequest(
            "Expecting to find passwordCredentials or token in auth. The server could not comply with the request "
            "since it is either malformed or otherwise incorrect. The client is assumed to be in error."
        )
    if auth.tenantId:
        return wire.Auth(identity=identity, scope=wire.Scope(project=wire.Project(id=auth.tenantId)))
    if auth.tenantName:
        project = wire.Project(name=auth.tenantName, domain=domain)
        return wire.Auth(identity=identity, scope=wire.Scope(project=project))
    return wire.Auth(identity=identity)


def can_tell(record: Record) -> bool:
    """Whether v2.0 has words for the token: a user of its one domain, for one of its projects or for nothing."""
    if record.user["domain"]["id"] != DOMAIN or record.payload.scope not in ("unscoped", "project"):
        return False
    project = record.scope.get("project")
    return project is None or project["domain"]["id"] == DOMAIN


def access(token: str, record: Record) -> dict[str, Any]:
    """``{"access": …}``: the token, who it is for, and the catalog with an endpoint per region."""
    told: dict[str, Any] = {
        "id": token,
        "issued_at": iso(record.payload.issued_at * SECOND, micro=True),
        "expires": iso(record.payload.expires_at * SECOND),
        "audit_ids": list(record.payload.audit_ids),
    }
    if project := record.scope.get("project"):
        told["tenant"] = {"id": project["id"], "name": project["name"], "enabled": True, "description": None}
    names = [{"name": name} for _, name in record.roles]
    user = {"id": record.user["id"], "name": record.user["name"], "username": record.user["name"]}
    scoped = record.payload.scope != "unscoped"
    return {
        "access": {
            "token": told,
            "serviceCatalog": [_service(each) for each in record.catalog()] if scoped else [],
            "user": {**user, "roles": names, "roles_links": []},
            "metadata": {"is_admin": 0, "roles": [role_id for role_id, _ in record.roles]},
        }
    }


def _service(service: dict[str, Any]) -> dict[str, Any]:
    regions: dict[str, dict[str, Any]] = {}
    for endpoint in service["endpoints"]:
        region = regions.setdefault(endpoint["region_id"], {"region": endpoint["region_id"], "id": endpoint["id"]})
        region[f"{endpoint['interface']}URL"] = endpoint["url"]
    return {
        "type": service["type"],
        "name": service["name"],
        "endpoints": list(regions.values()),
        "endpoints_links": [],
    }


def tenant(row: ProjectRow) -> dict[str, Any]:
    """A project of the default domain as a tenant."""
    return {"id": row.id, "name": row.name, "description": row.description, "enabled": row.enabled}


_ENDPOINT = {
    "region": str | None,
    "id": str,
    "adminURL": optional(str),
    "internalURL": optional(str),
    "publicURL": optional(str),
}
ACCESS = bodies.Record(
    "Access",
    {
        "token": {
            "id": str,
            "issued_at": str,
            "expires": str,
            "audit_ids": [str],
            "tenant": optional({"id": str, "name": str, "enabled": bool, "description": None}),
        },
        "serviceCatalog": [
            {"type": str, "name": str, "endpoints": [_ENDPOINT], "endpoints_links": list},
        ],
        "user": {"id": str, "name": str, "username": str, "roles": [{"name": str}], "roles_links": list},
        "metadata": {"is_admin": int, "roles": [str]},
    },
)
TENANTS = bodies.Record(
    "",
    {
        "tenants": [bodies.Record("Tenant", {"id": str, "name": str, "description": str, "enabled": bool})],
        "tenants_links": list,
    },
)
