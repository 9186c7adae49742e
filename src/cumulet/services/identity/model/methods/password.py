"""By a password. An unknown user costs one hash and reads as a wrong password, so that nobody learns who exists.

Users of another source (a directory) are proven by it: `context.backend_of(tx, domain_id)` gives the `Backend` of a
domain, or None for one whose users are rows here.
"""

from __future__ import annotations

from typing import Any

from msgspec import UnsetType
from sqlalchemy import bindparam, select

from cumulet.auth import Unauthenticated
from cumulet.db import Prepared, Transaction, select_as
from cumulet.db.times import now_us
from cumulet.http.faults import BadRequest
from cumulet.services.identity.model import names, password_rules, passwords
from cumulet.services.identity.model.methods import Attempt, Proof
from cumulet.services.identity.model.scopes import domain_is, expecting
from cumulet.services.identity.model.tokens import REFUSED
from cumulet.services.identity.tables import UserRow, projects, users
from cumulet.services.identity.wire import tokens as wire

_domains = projects.alias("domains")


def prove(attempt: Attempt, block: wire.Password) -> Proof:
    """The user who knows the password. Raises `Unauthenticated`."""
    given = block.user
    with attempt.db.read() as tx:
        user = named_user(tx, given)
        domain_id = user.domain_id if user else _domain_id(tx, given)
        backend = attempt.context.backend_of(tx, domain_id) if domain_id else None
    if backend is not None and domain_id:
        name = user.name if user else str(given.name or "")
        user_id = backend.authenticate(attempt.db, domain_id, name, given.password)
        if user_id is None:
            raise Unauthenticated(REFUSED)
        return Proof(user_id)
    known = passwords.matches(given.password, user.password_hash if user else None)
    rules = attempt.context.password_rules
    if user is None or password_rules.is_locked(rules, user, now_us()):
        raise Unauthenticated(REFUSED)
    if not known:
        password_rules.count_failure(attempt.db, rules, user)
        raise Unauthenticated(REFUSED)
    hashed = user.password_hash
    fresh = passwords.digest(given.password) if hashed is not None and passwords.outdated(hashed) else None

    def settle(tx: Transaction) -> None:
        """The same password under today's scheme: no token ends by this."""
        password_rules.active_today(tx, user.id)
        if fresh is not None:
            tx.update(users, (users.c.id == user.id) & (users.c.password_hash == hashed), password_hash=fresh)
        if user.failed_logins:
            password_rules.forget_failures(tx, user)

    changes = fresh or user.failed_logins or not password_rules.was_active_today(user, now_us())
    return Proof(user.id, password_hash=hashed, settle=settle if changes else None)


_BY_ID = Prepared(
    select_as(UserRow).join(_domains, _domains.c.id == users.c.domain_id).where(users.c.id == bindparam("id"))
)
_BY_NAME = Prepared(
    names.bound(
        select_as(UserRow)
        .join(_domains, _domains.c.id == users.c.domain_id)
        .where(users.c.domain_id == bindparam("domain")),
        users,
    )
)
_BY_NAMES = Prepared(names.bound(select_as(UserRow).where(users.c.domain_id == names.DOMAIN_ID), users))


def named_user(tx: Transaction, given: Any) -> UserRow | None:
    """The row of the user that `id`, or `name` with `domain`, of a method's block means. One query. Raises 400."""
    if given.id:
        return tx.row(_BY_ID, {"id": given.id})
    if not given.name:
        raise BadRequest(expecting("id or name", "user"))
    if isinstance(given.domain, UnsetType) or not (given.domain.id or given.domain.name):
        raise BadRequest(expecting("domain", "user"))
    called = names.values(given.name)
    if given.domain.id:
        return tx.row(_BY_NAME, {**called, "domain": given.domain.id})
    return tx.row(_BY_NAMES, {**called, **names.values(given.domain.name, "domain_")})


def _domain_id(tx: Transaction, given: wire.PasswordUser) -> str | None:
    if isinstance(given.domain, UnsetType):
        return None
    row = tx.row(select(_domains.c.id).where(_domains.c.is_domain, *domain_is(_domains, given.domain)))
    return row.id if row else None
