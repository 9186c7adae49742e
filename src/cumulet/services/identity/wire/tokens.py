"""Shapes of ``POST /v3/auth/tokens``. Answers are made, as bytes, in `model/tokens.py`."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import UNSET, UnsetType

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


class Identity(Open):
    methods: list[str]
    password: Password | UnsetType = UNSET
    token: Token | UnsetType = UNSET


class Project(Open):
    id: str | UnsetType | None = UNSET
    name: str | UnsetType | None = UNSET
    domain: Domain | UnsetType | None = UNSET


class Scope(Open, rename={"trust": "OS-TRUST:trust"}):
    project: Project | UnsetType = UNSET
    domain: Domain | UnsetType = UNSET
    system: dict[str, bool] | UnsetType = UNSET
    unscoped: dict[str, Any] | UnsetType = UNSET
    trust: dict[str, Any] | UnsetType = UNSET


class Auth(Open):
    identity: Identity
    scope: Scope | Literal["unscoped"] | UnsetType = UNSET


class AuthRequest(Open):
    auth: Auth
