"""Passwords of the first users, as the operator sets them who has lost them: no old password is asked for.

Only the operator's door leads here (`src/cumulet/fleet/api/operator.py`). Never logs or answers a password.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from cumulet.db import Database, Transaction, select_as
from cumulet.engine import timeline
from cumulet.http.faults import NotFound
from cumulet.problem import Problem
from cumulet.services.identity.model import bootstrap, generation, password_rules, passwords, revocations
from cumulet.services.identity.model.password_rules import PasswordRules
from cumulet.services.identity.model.users import digest
from cumulet.services.identity.tables import UserRow, users

ADMIN = "admin_password"
USERS = {
    ADMIN: ("admin",),
    "demo_password": ("demo",),
    "alt_demo_password": (bootstrap.ALTERNATE,),
}
"""Whose passwords the secrets are."""
OF_SERVICES = "service_password"
"""The secret of the users of all services."""


def _names(secret: str) -> tuple[str, ...]:
    return bootstrap.service_users() if secret == OF_SERVICES else USERS[secret]


def put(db: Database, rules: PasswordRules, secret: str, password: str) -> dict[str, Any]:
    """Give the users of a secret this password: ``users`` who have it now, ``made`` when admin had to be made again,
    ``roles`` whether that brought roles, ``powerless`` when admin has none that administers, and ``second_factor`` when
    a password alone does not let one of them in.

    Admin is enabled, unlocked and not expired afterwards, whatever was before, and has the first roles again when
    nobody else could give them. Tokens of before end. Slow. Raises 400
    for a password that the rules do not allow, 404 when none of the users exists.
    """
    hashed = str(digest(password, rules))
    with db.transaction() as tx:
        found = _rows(tx, _names(secret))
        made = secret == ADMIN and not found
        roles = secret == ADMIN and (made or not bootstrap.administrators(tx))
        if roles:
            bootstrap.make_admin(tx, hashed)
            found = _rows(tx, _names(secret))
        if not found:
            raise NotFound(f"There is no user named {' or '.join(_names(secret))} any more.")
        for row in found:
            _change(tx, rules, row, hashed)
        generation.bump(tx)
        powerless = secret == ADMIN and bootstrap.administrators(tx).isdisjoint(row.id for row in found)
    second = any(row.options.get("multi_factor_auth_enabled") for row in found)
    said = {"made": made, "roles": roles, "powerless": powerless, "second_factor": second}
    return {"users": [row.name for row in found], **said}


def _rows(tx: Transaction, names: tuple[str, ...]) -> list[UserRow]:
    wanted = select_as(UserRow).where(users.c.domain_id == bootstrap.DOMAIN, users.c.name_key.in_(names))
    return list(tx.rows(wanted.where(users.c.namesake == "").order_by(users.c.name_key)))


def _change(tx: Transaction, rules: PasswordRules, row: UserRow, hashed: str) -> None:
    password_rules.remember(tx, rules, row)
    values: dict[str, Any] = {"password_hash": hashed, "password_created_at": tx.now, "epoch": users.c.epoch + 1}
    values |= {"failed_logins": 0, "failed_at": None, "last_active_at": tx.now}
    values["password_expires_at"] = rules.expires_at(tx.now, by_user=True)
    if row.name_key == "admin":
        values["enabled"] = True
    tx.update(users, users.c.id == row.id, **values)
    timeline.record(tx, row.id, "password", "The operator of the cloud gave the user a new password.")
    revocations.record(tx, user_id=row.id)


class AdminsPassword:
    """Whether the file ``admin_password`` still holds admin's password. The hash is computed once for each pair of
    password and hash."""

    def __init__(self, db: Database, secrets: Path) -> None:
        self._store, self._file = db, secrets / "admin_password"
        self._known: tuple[str, bool] = ("", True)

    def problems(self) -> list[Problem]:
        """One problem, or none. A user admin who is gone or disabled is the operator's wish."""
        with self._store.read() as tx:
            row = next(iter(_rows(tx, USERS[ADMIN])), None)
        if row is None or not row.enabled or self._matches(row.password_hash):
            return []
        sentence = "`secrets/admin_password` is no longer admin's"
        return [Problem("admin-password", sentence, "Set one that is: cumulet admin password.")]

    def _matches(self, hashed: str | None) -> bool:
        try:
            password = self._file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            return False
        pair = hashlib.sha256(f"{hashed}\0{password}".encode()).hexdigest()
        if self._known[0] != pair:
            self._known = pair, passwords.matches(password, hashed)
        return self._known[1]
