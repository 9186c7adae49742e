"""Users: rows, names, passwords. The digest of a password is made by the caller, before its transaction."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select

from cumulet.db import Database, Transaction, select_as
from cumulet.db.times import now_us
from cumulet.engine import timeline
from cumulet.http.collections import Query
from cumulet.http.faults import BadRequest, Conflict, Fault, NotAllowed, Unauthorized
from cumulet.services.identity.model import (
    delegations,
    federated_users,
    generation,
    lookups,
    password_rules,
    passwords,
    revocations,
)
from cumulet.services.identity.model import memberships as members
from cumulet.services.identity.model.filters import listed
from cumulet.services.identity.model.password_rules import PasswordRules
from cumulet.services.identity.tables import DomainRow, UserRow, assignments, memberships, old_passwords, users

COLUMNS = {
    "id": users.c.id,
    "name": users.c.name,
    "domain_id": users.c.domain_id,
    "enabled": users.c.enabled,
    "default_project_id": users.c.default_project_id,
}


def digest(password: Any, rules: PasswordRules) -> str | None:
    """The hash to store for a password of a request, None for none. Slow. Raises 403 for one that is too long, 400 for
    one that the rules do not allow."""
    if not isinstance(password, str):
        return None
    rules.check(password)
    if len(password) > passwords.LONGEST:
        raise NotAllowed(
            f"The password length must be less than or equal to {passwords.LONGEST}. The server could not comply with "
            "the request because the password is invalid."
        )
    return passwords.digest(password)


def browse(tx: Transaction, query: Query, domain_id: str | None, group_id: str | None = None) -> Sequence[UserRow]:
    """Users that fit `query`, of one domain or group when given. One query, two with a marker."""
    wanted = select_as(UserRow)
    if domain_id is not None:
        wanted = wanted.where(users.c.domain_id == domain_id)
    if group_id is not None:
        wanted = wanted.where(users.c.id.in_(members.users_in(group_id)))
    federated = federated_users.condition(query)
    if federated is not None:
        wanted = wanted.where(federated)
    return listed(tx, wanted, query, COLUMNS)


def _expiry(rules: PasswordRules, now: int, options: Mapping[str, Any], *, by_user: bool) -> int | None:
    first = by_user or bool(options.get("ignore_change_password_upon_first_use"))
    return rules.expires_at(now, by_user=first)


def create(tx: Transaction, fields: Mapping[str, Any], hashed: str | None, rules: PasswordRules) -> UserRow:
    """A new user. `fields`: columns. Raises 404 for the domain, 409 for the name."""
    lookups.get(tx, DomainRow, fields["domain_id"])
    user_id = uuid.uuid4().hex
    name = fields["name"].strip()
    row = {
        **fields,
        "id": user_id,
        "name": name,
        "password_hash": hashed,
        "password_created_at": tx.now if hashed else None,
        "password_expires_at": _expiry(rules, tx.now, fields.get("options", {}), by_user=False) if hashed else None,
        "created_at": tx.now,
    }
    lookups.insert(tx, users, row, _taken(name, fields["domain_id"]))
    timeline.record(tx, user_id, "created", "The user was created.")
    generation.bump(tx)
    return lookups.get(tx, UserRow, user_id)


def update(
    tx: Transaction, row: UserRow, fields: Mapping[str, Any], hashed: str | None, rules: PasswordRules
) -> UserRow:
    """Change a user; a new password, or being disabled, ends its tokens. Raises 400, 409."""
    values = dict(fields)
    if values.pop("domain_id", row.domain_id) != row.domain_id:
        raise BadRequest("Cannot change Domain ID")
    if "name" in values:
        values["name"] = values["name"].strip()
    if hashed is not None:
        password_rules.remember(tx, rules, row)
        values.update(password_hash=hashed, password_created_at=tx.now, failed_logins=0, failed_at=None)
        values["password_expires_at"] = _expiry(rules, tx.now, values.get("options", row.options), by_user=False)
    if values.get("enabled"):
        values["last_active_at"] = tx.now  # whom an administrator enables again is not inactive at once
    disabled = row.enabled and values.get("enabled") is False
    if hashed is not None or disabled:
        values["epoch"] = users.c.epoch + 1
        revocations.record(tx, user_id=row.id)
    if disabled:
        delegations.forget_disabled(tx, row.id)
    lookups.change(tx, users, row.id, values, _taken(values.get("name", row.name), row.domain_id))
    changed = [name for name, value in fields.items() if value != getattr(row, name)]
    changed += [] if hashed is None else ["password"]
    timeline.record(tx, row.id, "updated", f"The user was changed: {', '.join(changed) or 'nothing'}.")
    generation.bump(tx)
    return lookups.get(tx, UserRow, row.id)


def delete(tx: Transaction, user_id: str, name: str = "") -> None:
    """Delete a user with its memberships and grants. `name` is for its timeline."""
    tx.delete(memberships, memberships.c.user_id == user_id)
    tx.delete(assignments, assignments.c.actor_id == user_id)
    federated_users.forget_users(tx, select(users.c.id).where(users.c.id == user_id))
    delegations.forget_users(tx, [user_id])
    tx.delete(old_passwords, old_passwords.c.user_id == user_id)
    tx.delete(users, users.c.id == user_id)
    timeline.record(tx, user_id, timeline.DELETED, "The user was deleted.", {"name": name})
    generation.bump(tx)


def change_password(db: Database, rules: PasswordRules, user_id: str, original: str, password: str) -> None:
    """A user's own change, who proves to know the old one. Raises 401; 400 when passwords are locked, or the rules do
    not allow this one."""
    with db.read() as tx:
        row = lookups.find(tx, UserRow, user_id)
    known = passwords.matches(original, row.password_hash if row else None)
    now = now_us()
    locked = row is None or password_rules.is_locked(rules, row, now) or rules.inactive(row, now)
    if row is None or not row.enabled or locked:
        raise refused()
    if not known:
        password_rules.count_failure(db, rules, row)
        raise refused()
    if row.options.get("lock_password"):
        raise BadRequest(
            "You cannot change your password at this time due to password policy disallowing password changes. Please "
            "contact your administrator to reset your password."
        )
    password_rules.check_change(db, rules, row, password)
    hashed = digest(password, rules)
    with db.transaction() as tx:
        where = (users.c.id == user_id) & (users.c.password_hash == row.password_hash)
        values = {"password_hash": hashed, "password_created_at": tx.now, "epoch": users.c.epoch + 1}
        values |= {"failed_logins": 0, "failed_at": None}
        values["password_expires_at"] = _expiry(rules, tx.now, row.options, by_user=True)
        if not tx.update(users, where, **values):
            raise refused()
        password_rules.remember(tx, rules, row)
        timeline.record(tx, user_id, "password", "The user has a new password, set with the one before.")
        revocations.record(tx, user_id=user_id)
        generation.bump(tx)


def end_tokens(tx: Transaction, user_id: str) -> None:
    """Whatever tokens the user has are worth nothing from now on; new ones may be had at once."""
    tx.update(users, users.c.id == user_id, epoch=users.c.epoch + 1)
    revocations.record(tx, user_id=user_id)
    generation.bump(tx)


def refused() -> Fault:
    """The one answer to every failed proof."""
    return Unauthorized("The request you have made requires authentication.")


def _taken(name: str, domain_id: str) -> Conflict:
    return lookups.conflict("user", f"Duplicate entry found with name {name} at domain ID {domain_id}")
