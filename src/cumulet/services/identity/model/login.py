"""From credentials to a token: who is it, what for, and for how long.

Hashing happens outside every transaction. Every refusal is the same 401, and an unknown user takes as long as a
wrong password, so that nobody learns which names exist.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from msgspec import UNSET, UnsetType
from sqlalchemy import select

from cumulet.auth import Unauthenticated
from cumulet.http.faults import BadRequest, NotFound, Unauthorized
from cumulet.services.identity.model import access, passwords, payloads
from cumulet.services.identity.model.payloads import Payload
from cumulet.services.identity.model.tokens import LIFE_S, REFUSED, Record, Tokens
from cumulet.services.identity.tables import ROOT, projects, users
from cumulet.services.identity.wire import tokens as wire
from cumulet.store import Store, Transaction

_domains = projects.alias("domains")


@dataclass(frozen=True)
class Proven:
    """Who has proven to be whom, by which methods. `parent`: the token this one is made from; `fresh_hash`: one that
    shall take the place of an outdated `password_hash`."""

    user_id: str
    password_hash: str | None
    methods: tuple[str, ...]
    parent: Payload | None
    fresh_hash: str | None = None


def log_in(store: Store, tokens: Tokens, auth: wire.Auth) -> tuple[str, Record]:
    """A token for `auth`, and its record. Raises `Unauthenticated`, 400 for a malformed scope."""
    proven = _prove(store, tokens, auth.identity)
    with store.read() as tx:
        payload = _payload(tx, proven, auth.scope)
        record = tokens.describe(tx, payload)
    if proven.fresh_hash is not None:
        with store.transaction() as tx:  # the same password: no token ends by this
            where = (users.c.id == proven.user_id) & (users.c.password_hash == proven.password_hash)
            tx.update(users, where, password_hash=proven.fresh_hash)
    return payloads.seal(tokens.keys.box(), payload), record


def _prove(store: Store, tokens: Tokens, identity: wire.Identity) -> Proven:
    if not identity.methods:
        raise BadRequest("Invalid input for field 'identity/methods': [] is too short")
    user_id: str | None = None
    hashed: str | None = None
    parent: Payload | None = None
    for method in dict.fromkeys(identity.methods):
        if method == "password" and not isinstance(identity.password, UnsetType):
            found, hashed = _by_password(store, identity.password.user)
        elif method == "token" and not isinstance(identity.token, UnsetType):
            with store.read() as tx:
                parent = tokens.find(tx, identity.token.id).payload
            found = parent.user_id
        elif method in ("password", "token"):
            raise BadRequest(
                f"Expecting to find {method} in identity. The server could not comply with the request since it is "
                "either malformed or otherwise incorrect. The client is assumed to be in error."
            )
        else:
            raise Unauthorized("Attempted to authenticate with an unsupported method.")
        if user_id not in (None, found):
            raise Unauthenticated(REFUSED)
        user_id = found
    assert user_id is not None
    fresh = None
    if hashed is not None and not isinstance(identity.password, UnsetType) and passwords.outdated(hashed):
        fresh = passwords.digest(identity.password.user.password)
    used = {*identity.methods, *(parent.methods if parent else ())}
    return Proven(user_id, hashed, tuple(m for m in payloads.METHODS if m in used), parent, fresh)


def _by_password(store: Store, given: wire.PasswordUser) -> tuple[str, str | None]:
    """Id and hash of the user who knows the password."""
    wanted = select(users.c.id, users.c.password_hash).join(_domains, _domains.c.id == users.c.domain_id)
    if given.id:
        wanted = wanted.where(users.c.id == given.id)
    elif given.name:
        if isinstance(given.domain, UnsetType) or not (given.domain.id or given.domain.name):
            raise BadRequest(
                "Expecting to find domain in user. The server could not comply with the request since it is either "
                "malformed or otherwise incorrect. The client is assumed to be in error."
            )
        wanted = wanted.where(users.c.name == given.name, *_domain_is(given.domain))
    else:
        raise BadRequest(
            "Expecting to find id or name in user. The server could not comply with the request since it is either "
            "malformed or otherwise incorrect. The client is assumed to be in error."
        )
    with store.read() as tx:
        user = tx.row(wanted)
    if not passwords.matches(given.password, user.password_hash if user else None) or user is None:
        raise Unauthenticated(REFUSED)
    return str(user.id), str(user.password_hash)


def _domain_is(domain: wire.Domain) -> list[Any]:
    return [_domains.c.id == domain.id] if domain.id else [_domains.c.name == domain.name, _domains.c.domain_id == ROOT]


def _payload(tx: Transaction, proven: Proven, asked: wire.Scope | str | UnsetType) -> Payload:
    user = tx.row(select(users).where(users.c.id == proven.user_id))
    if user is None or (proven.password_hash is not None and user.password_hash != proven.password_hash):
        raise Unauthenticated(REFUSED)
    if proven.parent is None and user.password_expires_at is not None and user.password_expires_at <= tx.now:
        raise Unauthorized(f"The password is expired and needs to be changed for user: {user.id}.")
    if not _enough(user, proven.methods):
        raise Unauthenticated(REFUSED)
    scope, target, epoch = _scope(tx, user, asked)
    now_s = int(time.time())
    audit_ids: tuple[str, ...] = (payloads.audit_id(),)
    expires_at = now_s + LIFE_S
    if proven.parent is not None:
        audit_ids = (*audit_ids, proven.parent.audit_ids[-1])
        expires_at = min(expires_at, proven.parent.expires_at)
    return Payload(user.id, proven.methods, scope, target, now_s, expires_at, audit_ids, (user.epoch, epoch))


def _enough(user: Any, methods: tuple[str, ...]) -> bool:
    """Whether `methods` fulfil one of the user's rules of multi-factor authentication, if there are any."""
    rules = user.options.get("multi_factor_auth_rules") or []
    if not rules or not user.options.get("multi_factor_auth_enabled", True):
        return True
    return any(set(rule) <= set(methods) for rule in rules)


def _scope(tx: Transaction, user: Any, asked: wire.Scope | str | UnsetType) -> tuple[str, str, int]:
    """(scope, id of its target, epoch of the target)."""
    if isinstance(asked, UnsetType):
        return _default_scope(tx, user)
    if isinstance(asked, str):
        return "unscoped", "", 0
    given = [name for name in ("project", "domain", "system", "unscoped", "trust") if getattr(asked, name) is not UNSET]
    if len(given) != 1:
        raise BadRequest(
            "Expecting to find project, domain, OS-TRUST:trust or unscoped in scope. The server could not comply with "
            "the request since it is either malformed or otherwise incorrect. The client is assumed to be in error."
        )
    if isinstance(asked.project, wire.Project):
        return _project(tx, asked.project)
    if isinstance(asked.domain, wire.Domain):
        found = tx.row(select(_domains.c.id, _domains.c.epoch).where(_domains.c.is_domain, *_named(asked.domain)))
        if found is None:
            raise Unauthenticated(REFUSED)
        return "domain", found.id, found.epoch
    if isinstance(asked.system, dict):
        if asked.system.get("all") is not True:
            raise BadRequest("Invalid input for field 'scope/system': 'all' is a required property")
        return "system", "", 0
    if isinstance(asked.trust, dict):
        raise NotFound(f"Could not find trust: {asked.trust.get('id')}.")
    return "unscoped", "", 0


def _named(domain: wire.Domain) -> list[Any]:
    if not domain.id and not domain.name:
        raise BadRequest(
            "Expecting to find id or name in domain. The server could not comply with the request since it is either "
            "malformed or otherwise incorrect. The client is assumed to be in error."
        )
    return _domain_is(domain)


def _project(tx: Transaction, asked: wire.Project) -> tuple[str, str, int]:
    wanted = select(projects.c.id, projects.c.epoch).where(projects.c.is_domain.is_(False))
    if asked.id:
        wanted = wanted.where(projects.c.id == asked.id)
    elif asked.name and isinstance(asked.domain, wire.Domain):
        wanted = wanted.join(_domains, _domains.c.id == projects.c.domain_id)
        wanted = wanted.where(projects.c.name == asked.name, *_named(asked.domain))
    else:
        raise BadRequest(
            f"Expecting to find {'domain' if asked.name else 'id or name'} in project. The server could not comply "
            "with the request since it is either malformed or otherwise incorrect. The client is assumed to be in "
            "error."
        )
    found = tx.row(wanted)
    if found is None:
        raise Unauthenticated(REFUSED)
    return "project", found.id, found.epoch


def _default_scope(tx: Transaction, user: Any) -> tuple[str, str, int]:
    """The user's default project when there is a role on it, nothing otherwise."""
    if user.default_project_id:
        wanted = select(projects.c.id, projects.c.epoch).where(
            projects.c.id == user.default_project_id,
            projects.c.is_domain.is_(False),
            projects.c.enabled,
            projects.c.domain_id.in_(select(_domains.c.id).where(_domains.c.enabled)),
        )
        project = tx.row(wanted)
        if project is not None and access.project_roles(tx, user.id, project.id):
            return "project", project.id, project.epoch
    return "unscoped", "", 0
