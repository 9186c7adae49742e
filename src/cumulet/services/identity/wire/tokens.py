"""Shapes of ``POST /v3/auth/tokens``. Answers are made, as bytes, in `model/tokens.py`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from cumulet.http.bodies import Query, Record, optional
from cumulet.http.shapes import Open


class Domain(Open):
    id: str | UnsetType | None = UNSET
    name: str | UnsetType | None = UNSET


class PasswordUser(Open):
    password: str
    id: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    domain: Domain | UnsetType = UNSET


class Password(Open):
    user: PasswordUser


class Token(Open):
    id: str


class TotpUser(Open):
    passcode: str
    id: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    domain: Domain | UnsetType = UNSET


class Totp(Open):
    user: TotpUser


class CredentialUser(Open):
    id: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    domain: Domain | UnsetType = UNSET


class ApplicationCredential(Open):
    secret: str
    id: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    user: CredentialUser | UnsetType = UNSET


class Asserted(Open):
    """What federation's own operations say about an attempt; a client's is never believed (`Attempt.assertion`)."""

    identity_provider: str | UnsetType = UNSET
    protocol: str | UnsetType = UNSET


class Identity(Open):
    methods: Annotated[list[str], Meta(max_length=16)]
    password: Password | UnsetType = UNSET
    token: Token | UnsetType = UNSET
    totp: Totp | UnsetType = UNSET
    application_credential: ApplicationCredential | UnsetType = UNSET
    oauth1: dict[str, Any] | UnsetType = UNSET
    mapped: Asserted | UnsetType = UNSET
    openid: Asserted | UnsetType = UNSET
    saml2: Asserted | UnsetType = UNSET
    external: dict[str, Any] | UnsetType = UNSET


class Project(Open):
    id: str | UnsetType | None = UNSET
    name: str | UnsetType | None = UNSET
    domain: Domain | UnsetType | None = UNSET


class Trust(Open):
    id: str


class Scope(Open, rename={"trust": "OS-TRUST:trust"}):
    project: Project | UnsetType = UNSET
    domain: Domain | UnsetType = UNSET
    system: dict[str, bool] | UnsetType = UNSET
    unscoped: dict[str, Any] | UnsetType = UNSET
    trust: Trust | UnsetType = UNSET


class Auth(Open):
    identity: Identity
    scope: Scope | Literal["unscoped"] | UnsetType = UNSET


class AuthRequest(Open):
    auth: Auth


CATALOG = [
    Record(
        "CatalogService",
        {
            "id": str,
            "type": str,
            "name": str,
            "endpoints": [
                {"id": str, "interface": str, "region_id": str | None, "region": str | None, "url": str},
            ],
        },
    )
]
_DOMAIN = Record("DomainOfToken", {"id": str, "name": str})
_FEDERATION = {"groups": [{"id": str}], "identity_provider": {"id": str}, "protocol": {"id": str}}
_APPLICATION_CREDENTIAL = {
    "id": str,
    "name": str,
    "restricted": bool,
    "access_rules": optional([{"id": str, "service": str, "path": str, "method": str}]),
}
_TRUST = {"id": str, "impersonation": bool, "trustor_user": {"id": str}, "trustee_user": {"id": str}}
TOKEN = Record(
    "ShownToken",
    {
        "methods": [str],
        "user": {
            "id": str,
            "name": str,
            "domain": _DOMAIN,
            "password_expires_at": optional(str | None),
            "OS-FEDERATION": optional(_FEDERATION),
        },
        "audit_ids": [str],
        "issued_at": str,
        "expires_at": str,
        "project": optional({"id": str, "name": str, "domain": _DOMAIN}),
        "domain": optional(_DOMAIN),
        "system": optional({"all": bool}),
        "is_domain": optional(bool),
        "roles": optional([{"id": str, "name": str}]),
        "catalog": optional(CATALOG),
        "service_providers": optional([{"id": str, "auth_url": str, "sp_url": str}]),
        "application_credential": optional(_APPLICATION_CREDENTIAL),
        "OS-TRUST:trust": optional(_TRUST),
        "OS-OAUTH1": optional({"access_token_id": str, "consumer_id": str}),
    },
)
QUERY = Query({"nocatalog": str})
QUERY_OF_SHOWN = QUERY | {"allow_expired": bool}
