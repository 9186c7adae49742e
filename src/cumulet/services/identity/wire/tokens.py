"""Shapes of ``POST /v3/auth/tokens``. Answers are made, as bytes, in `model/tokens.py`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

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
