"""The caller of an operation, as the token says. Built once per token; nobody changes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

DEFAULT_DOMAIN = "default"
_ADMIN = "admin"


class Unauthenticated(Exception):
    """No token, or one that is expired, revoked or not ours. Answered with 401."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Ids are Keystone's 32 hex digits. `roles` are names and hold the implied ones; `project_id` is None for
    unscoped, domain-scoped and system-scoped tokens. `expires_at` is in microseconds. `access_rules`: the only requests
    that the token may be used for, as ``{"service", "method", "path"}``; None for any. `is_admin`: whether one of the
    roles is admin; whether that counts is for the rules `cloud_admin` and `context_is_admin` to say (`Policy.seen`)."""

    user_id: str
    user_name: str
    user_domain_id: str
    roles: tuple[str, ...] = ()
    project_id: str | None = None
    project_name: str | None = None
    project_domain_id: str | None = None
    domain_id: str | None = None
    system_scope: str | None = None
    is_admin_project: bool = True
    audit_ids: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    expires_at: int = 0
    access_rules: tuple[Mapping[str, str], ...] | None = None
    token: Any = None  # identity's own record of the token; only the identity service reads it
    credentials: dict[str, Any] = field(default_factory=dict, repr=False)
    is_admin: bool = field(default=False, init=False)
    _lowered: Caller | None = field(default=None, init=False, repr=False, compare=False)
    _turned: Caller | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "is_admin", any(_is_admin(role) for role in self.roles))
        self.credentials.update(
            user_id=self.user_id,
            user_domain_id=self.user_domain_id,
            project_id=self.project_id,
            tenant_id=self.project_id,
            project_domain_id=self.project_domain_id,
            domain_id=self.domain_id,
            roles=list(self.roles),
            system_scope=self.system_scope,
            is_admin_project=self.is_admin_project,
            is_admin=self.is_admin,
            token={"domain": {"id": self.domain_id}, "project": {"domain": {"id": self.project_domain_id}}},
            token_scope=self._kind(),
        )

    def _kind(self) -> str:
        """The kind of token that rules of policy take or refuse; one without a scope counts as a project's, as in
        oslo.policy. A token for the first domain is a kind of its own: see `decisions/0017`."""
        if self.system_scope:
            return "system"
        if self.domain_id:
            return "default_domain" if self.domain_id == DEFAULT_DOMAIN else "domain"
        return "project"

    @property
    def lowered(self) -> Caller:
        """The same caller without the role admin: what is left are the roles that it implies, and the others."""
        found = self._lowered
        if found is None:
            roles = tuple(role for role in self.roles if not _is_admin(role))
            found = replace(self, roles=roles, credentials={})
            object.__setattr__(self, "_lowered", found)
        return found

    @property
    def turned(self) -> Caller:
        """The same caller with the same roles, and an administrator if this one is none, or the other way round."""
        found = self._turned
        if found is None:
            found = replace(self, credentials={})
            object.__setattr__(found, "is_admin", not self.is_admin)
            found.credentials["is_admin"] = found.is_admin
            object.__setattr__(self, "_turned", found)
        return found


def _is_admin(role: str) -> bool:
    """Rules of policy compare names of roles without their case."""
    return role.lower() == _ADMIN
