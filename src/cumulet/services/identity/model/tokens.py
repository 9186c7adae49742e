"""Tokens: from the sealed statement to a caller and Keystone's description of it, and back.

A token holds as long as its user, the user's domain and what it is scoped to are enabled, their epochs are those it
was issued at, it is not revoked, it still has a role, and whatever it was made by (`token_sources/`: a trust, an
application credential, OAuth1, an identity provider) lives.

The answer is kept in memory with the generation it was
found at; one query of the generation then decides. Nothing found inside a write transaction is kept.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from cryptography.fernet import MultiFernet
from msgspec.structs import replace

from cumulet.auth import Caller, Unauthenticated
from cumulet.db import Transaction, TypedRow, iso, select_as
from cumulet.db.wakeups import Wakeups
from cumulet.services.identity.model import access, catalog, generation, payloads, revocations, snapshot
from cumulet.services.identity.model.keys import FernetKeys
from cumulet.services.identity.model.payloads import Payload
from cumulet.services.identity.model.token_sources import NOTHING, Delegation
from cumulet.services.identity.model.token_sources.registry import delegations
from cumulet.services.identity.tables import ProjectRow, projects, users

SECOND = 1_000_000
LIFE_S = 3600
ALLOW_EXPIRED_WINDOW_S = 48 * 3600
_KEPT = 4096

_domains = projects.alias("domains")


class _User(TypedRow):
    """Whose a token is."""

    id: str
    name: str
    domain_id: str
    enabled: bool
    epoch: int
    password_expires_at: int | None
    domain_name: str
    domain_enabled: bool


class _Project(TypedRow):
    """What a token is for."""

    id: str
    name: str
    domain_id: str
    enabled: bool
    epoch: int
    domain_name: str
    domain_enabled: bool


Rules = tuple[Mapping[str, str], ...] | None


@dataclass(slots=True)
class Record:
    """A token that holds: who calls with it, and Keystone's description of it (made when first asked for)."""

    payload: Payload
    caller: Caller
    user: dict[str, Any]
    scope: dict[str, Any]
    roles: list[tuple[str, str]]
    snapshot: snapshot.Snapshot
    bodies: dict[bool, bytes] = field(default_factory=dict)
    ticket: int | None = None

    def catalog(self) -> list[dict[str, Any]]:
        """The catalog with the URLs of this token's project."""
        seen = self.snapshot.catalog_of(self.caller.project_id)
        return catalog.filled(seen, self.payload.user_id, self.caller.project_id)

    def body(self, *, with_catalog: bool = True) -> bytes:
        """``{"token": …}`` as JSON."""
        made = self.bodies.get(with_catalog)
        if made is None:
            made = self.bodies[with_catalog] = msgspec.json.encode({"token": self._described(with_catalog)})
        return made

    def _described(self, with_catalog: bool) -> dict[str, Any]:
        body: dict[str, Any] = {
            "methods": list(self.payload.methods),
            "user": self.user,
            "audit_ids": list(self.payload.audit_ids),
            "expires_at": iso(self.payload.expires_at * SECOND, micro=True),
            "issued_at": iso(self.payload.issued_at * SECOND, micro=True),
            **self.scope,
        }
        if self.payload.scope != "unscoped":
            body["roles"] = [{"id": role_id, "name": name} for role_id, name in self.roles]
            if with_catalog:
                body["catalog"] = self.catalog()
        if self.snapshot.service_providers:
            body["service_providers"] = self.snapshot.service_providers
        return body


class Tokens:
    """Finds out what a token is worth, and remembers it until the generation moves.

    `wakeups`: those of the store, in the process that alone writes the database. Then a token that was found once is
    found again without a query, as long as nothing woke `generation.TOPIC`. Without them, one query of one row decides.
    """

    def __init__(self, keys: FernetKeys, life_s: int = LIFE_S, wakeups: Wakeups | None = None) -> None:
        self.keys = keys
        self.life_s = life_s
        self._wakeups = wakeups
        self._records: OrderedDict[str, Record] = OrderedDict()
        self._snapshot: snapshot.Snapshot | None = None
        self._box: MultiFernet | None = None

    def find(self, tx: Transaction, token: str, *, window_s: int = 0) -> Record:
        """The record of `token`, which may have expired `window_s` seconds ago at most. Raises `Unauthenticated`.

        No query when the token is known and this process writes the database alone, one when others may; five more
        (and three when the generation has moved) when it is not known.
        """
        now_s, ticket = tx.now / SECOND, self._ticket(tx)
        box = self.keys.box()
        if box is not self._box:  # a key may have gone, and what it signed with it
            self._records.clear()
            self._box = box
        record = self._records.get(token)
        if record is not None and ticket is not None and record.ticket == ticket:
            return _in_time(record, now_s, window_s)
        current = generation.current(tx)
        if record is None or record.snapshot.generation != current:
            try:
                payload = record.payload if record else payloads.unseal(box, token)
            except payloads.Invalid:
                raise Unauthenticated(REFUSED) from None
            if payload.expires_at + max(window_s, 0) <= now_s:
                raise Unauthenticated(REFUSED)
            record = self.describe(tx, payload, current)
            self._keep(tx, token, record)
        record.ticket = ticket
        return _in_time(record, now_s, window_s)

    def _ticket(self, tx: Transaction) -> int | None:
        """Where the generation stood before this transaction looked at anything; None when that cannot be said: the
        snapshot of a transaction that has read already may be older than the ticket."""
        if self._wakeups is None or tx.statements or tx.writes:
            return None
        return self._wakeups.ticket(generation.TOPIC)

    def describe(self, tx: Transaction, payload: Payload, current: int | None = None) -> Record:
        """What `payload` is worth now. Raises `Unauthenticated`."""
        if current is None:
            current = generation.current(tx)
        user = _living_user(tx, payload.user_id, payload.epochs[0])
        if revocations.is_revoked(tx, payload):
            raise Unauthenticated(REFUSED)
        delegation = _delegation(tx, payload)
        if delegation.behind is not None:
            behind = _living_user(tx, delegation.behind, payload.epochs[2])
            user = behind if delegation.acts_as_behind else user
        kept = self._current_snapshot(tx, current)
        scope = _scope(tx, payload)
        role_ids = _role_ids(tx, payload) if delegation.role_ids is None else delegation.role_ids
        roles = kept.effective(role_ids, implied=delegation.implied)
        if payload.scope != "unscoped" and not roles:
            raise Unauthenticated(REFUSED)
        caller = _caller(payload, user, scope, roles, delegation.access_rules)
        body = {**_user(user), **delegation.user_body}
        body = {key: value for key, value in body.items() if value is not None or key not in delegation.user_body}
        return Record(payload, caller, body, {**scope, **delegation.body}, roles, kept)

    def _current_snapshot(self, tx: Transaction, current: int) -> snapshot.Snapshot:
        kept = self._snapshot
        if kept is None or kept.generation != current:
            kept = snapshot.load(tx, current)
            if not tx.writes:
                self._snapshot = kept
        return kept

    def _keep(self, tx: Transaction, token: str, record: Record) -> None:
        if tx.writes:
            return
        self._records[token] = record
        while len(self._records) > _KEPT:
            try:
                self._records.popitem(last=False)
            except KeyError:  # another thread was faster
                return


REFUSED = "The request you have made requires authentication."


def revoke(tx: Transaction, payload: Payload, *, cascade: bool = True) -> None:
    """The token of `payload` is worth nothing from now on, nor, with `cascade`, is what was made from it."""
    forget_at = (payload.expires_at + ALLOW_EXPIRED_WINDOW_S) * SECOND
    revocations.revoke(tx, payload, forget_at=forget_at, cascade=cascade)


def _in_time(record: Record, now_s: float, window_s: int) -> Record:
    if record.payload.expires_at + max(window_s, 0) <= now_s:
        raise Unauthenticated(REFUSED)
    return record


def _delegation(tx: Transaction, payload: Payload) -> Delegation:
    """What the kinds of the token make of it, together: the narrower one decides about roles."""
    found = delegations(tx, payload)
    if not found:
        return NOTHING
    whole = found[0]
    for more in found[1:]:
        ids = whole.role_ids if more.role_ids is None else more.role_ids
        if whole.role_ids is not None and more.role_ids is not None:
            ids = [role_id for role_id in whole.role_ids if role_id in more.role_ids]
        whole = replace(
            whole,
            role_ids=ids,
            implied=whole.implied and more.implied,
            body={**whole.body, **more.body},
            user_body={**whole.user_body, **more.user_body},
            behind=whole.behind or more.behind,
            acts_as_behind=whole.acts_as_behind or more.acts_as_behind,
            access_rules=whole.access_rules if more.access_rules is None else more.access_rules,
        )
    return whole


def _user(user: _User) -> dict[str, Any]:
    return {
        "domain": {"id": user.domain_id, "name": user.domain_name},
        "id": user.id,
        "name": user.name,
        "password_expires_at": iso(user.password_expires_at, micro=True) if user.password_expires_at else None,
    }


def _living_user(tx: Transaction, user_id: str, epoch: int) -> _User:
    wanted = (
        select_as(
            _User,
            users.c.id,
            users.c.name,
            users.c.domain_id,
            users.c.enabled,
            users.c.epoch,
            users.c.password_expires_at,
            _domains.c.name.label("domain_name"),
            _domains.c.enabled.label("domain_enabled"),
        )
        .join(_domains, _domains.c.id == users.c.domain_id)
        .where(users.c.id == user_id)
    )
    user = tx.row(wanted)
    if user is None or not user.enabled or not user.domain_enabled or user.epoch != epoch:
        raise Unauthenticated(REFUSED)
    return user


def _scope(tx: Transaction, payload: Payload) -> dict[str, Any]:
    """Keystone's description of what the token is for."""
    if payload.scope == "project":
        return _project_scope(tx, payload)
    if payload.scope == "domain":
        domain = tx.row(select_as(ProjectRow).where(projects.c.id == payload.target, projects.c.is_domain))
        if domain is None or not domain.enabled or domain.epoch != payload.epochs[1]:
            raise Unauthenticated(REFUSED)
        return {"domain": {"id": domain.id, "name": domain.name}}
    return {"system": {"all": True}} if payload.scope == "system" else {}


def _role_ids(tx: Transaction, payload: Payload) -> list[str]:
    """The user's roles there, with those of the groups that the token brings along. One query."""
    user_id, groups = payload.user_id, payload.facts.groups
    if payload.scope == "project":
        return access.project_roles(tx, user_id, payload.target, groups)
    if payload.scope == "domain":
        return access.domain_roles(tx, user_id, payload.target, groups)
    return access.system_roles(tx, user_id, groups) if payload.scope == "system" else []


def _project_scope(tx: Transaction, payload: Payload) -> dict[str, Any]:
    wanted = (
        select_as(
            _Project,
            projects.c.id,
            projects.c.name,
            projects.c.domain_id,
            projects.c.enabled,
            projects.c.epoch,
            _domains.c.name.label("domain_name"),
            _domains.c.enabled.label("domain_enabled"),
        )
        .join(_domains, _domains.c.id == projects.c.domain_id)
        .where(projects.c.id == payload.target)
    )
    project = tx.row(wanted)
    if project is None or not project.enabled or not project.domain_enabled or project.epoch != payload.epochs[1]:
        raise Unauthenticated(REFUSED)
    domain = {"id": project.domain_id, "name": project.domain_name}
    body: dict[str, Any] = {"project": {"domain": domain, "id": project.id, "name": project.name}}
    if not payload.facts.trust_id:  # Keystone leaves it out for trusts
        body["is_domain"] = False
    return body


def _caller(payload: Payload, user: _User, scope: dict[str, Any], roles: list[tuple[str, str]], rules: Rules) -> Caller:
    project = scope.get("project")
    domain = scope.get("domain")
    return Caller(
        user_id=user.id,
        user_name=user.name,
        user_domain_id=user.domain_id,
        roles=tuple(name for _, name in roles),
        project_id=project["id"] if project else None,
        project_name=project["name"] if project else None,
        project_domain_id=project["domain"]["id"] if project else None,
        domain_id=domain["id"] if domain else None,
        system_scope="all" if "system" in scope else None,
        audit_ids=payload.audit_ids,
        methods=payload.methods,
        expires_at=payload.expires_at * SECOND,
        token=payload,
        access_rules=rules,
    )
