"""What passwords and their users have to keep to, as Keystone's ``[security_compliance]`` words it; all off by default.

Failures are counted in a transaction of their own, after the hash: a locked user costs, and reads, what a wrong
password does. Looks at hashes of old passwords outside of every transaction. Never says why a login was refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import select

from cumulet.db import Database, Transaction
from cumulet.db.times import SECOND, now_us
from cumulet.http.faults import BadRequest
from cumulet.patterns import form
from cumulet.services.identity.model import passwords
from cumulet.services.identity.tables import LDAP, UserRow, old_passwords, users

DAY = 86_400 * SECOND


class PasswordRules(Struct, frozen=True):
    """Under Keystone's names; 0, an empty text and False are off. `lockout_duration` in seconds."""

    lockout_failure_attempts: int = 0
    lockout_duration: int = 1800
    password_expires_days: int = 0
    unique_last_password_count: int = 0
    minimum_password_age: int = 0
    password_regex: str = ""
    password_regex_description: str = ""
    change_password_upon_first_use: bool = False
    disable_user_account_days_inactive: int = 0

    def check(self, password: Any) -> None:
        """Whether a new password may look like that. Raises 400."""
        if self.password_regex and isinstance(password, str) and not form(self.password_regex).match(password):
            told = self.password_regex_description or self.password_regex
            raise BadRequest(f"The password does not match the requirements: {told}.")

    def expires_at(self, now: int, *, by_user: bool) -> int | None:
        """When a password that is set now expires: at once when somebody else set it and it is to be changed first."""
        if self.change_password_upon_first_use and not by_user:
            return now
        return now + self.password_expires_days * DAY if self.password_expires_days else None

    def inactive(self, user: UserRow, now: int) -> bool:
        """Whether a user counts as disabled, not having logged in for so many days. Directories disable their own."""
        days = self.disable_user_account_days_inactive
        if not days or user.origin == LDAP or user.options.get("ignore_user_inactivity"):
            return False
        last = user.created_at if user.last_active_at is None else user.last_active_at
        return bool(now // DAY - last // DAY >= days)


def is_locked(rules: PasswordRules, user: UserRow, now: int) -> bool:
    """Whether the user has failed too often lately."""
    if not rules.lockout_failure_attempts or user.options.get("ignore_lockout_failure_attempts"):
        return False
    recent = user.failed_at is not None and user.failed_at + rules.lockout_duration * SECOND > now
    return recent and bool(user.failed_logins >= rules.lockout_failure_attempts)


def active_today(tx: Transaction, user_id: str) -> None:
    """The user has logged in. Days are counted, so the first time on a day is what is kept."""
    today = tx.now // DAY * DAY
    earlier = users.c.last_active_at.is_(None) | (users.c.last_active_at < today)
    tx.update(users, (users.c.id == user_id) & earlier, last_active_at=tx.now)


def was_active_today(user: UserRow, now: int) -> bool:
    """Whether `active_today` has nothing to do."""
    return user.last_active_at is not None and bool(user.last_active_at // DAY == now // DAY)


def count_failure(db: Database, rules: PasswordRules, user: UserRow) -> None:
    """Count a wrong password; failures of longer ago than a lockout lasts are forgotten."""
    if not rules.lockout_failure_attempts:
        return
    with db.transaction() as tx:
        row = tx.row(select(users.c.failed_logins, users.c.failed_at).where(users.c.id == user.id))
        if row is None or is_locked(rules, user, tx.now):
            return
        recent = row.failed_at is not None and row.failed_at + rules.lockout_duration * SECOND > tx.now
        count = row.failed_logins + 1 if recent else 1
        tx.update(users, users.c.id == user.id, failed_logins=count, failed_at=tx.now)


def forget_failures(tx: Transaction, user: UserRow) -> None:
    """The user has proven to know the password."""
    tx.update(users, users.c.id == user.id, failed_logins=0, failed_at=None)


def check_change(db: Database, rules: PasswordRules, user: UserRow, password: str) -> None:
    """Whether a user may change the own password to `password` now. Slow. Raises 400."""
    rules.check(password)
    expired = user.password_expires_at is not None and user.password_expires_at <= now_us()
    if rules.minimum_password_age and not expired and user.password_created_at is not None:
        left = user.password_created_at + rules.minimum_password_age * DAY - now_us()
        if left > 0:
            raise BadRequest(
                f"Cannot change password before minimum age {rules.minimum_password_age} days is met. "
                f"There are {-(-left // DAY)} days left."
            )
    if rules.unique_last_password_count:
        for hashed in _last_hashes(db, rules.unique_last_password_count, user):
            if passwords.matches(password, hashed):
                raise BadRequest(
                    "The password cannot be changed: the new password cannot be identical to a previous password. The "
                    "total number which includes the new password must be unique is "
                    f"{rules.unique_last_password_count}."
                )


def _last_hashes(db: Database, count: int, user: UserRow) -> Sequence[str]:
    """Hashes of the last `count` passwords, the one in force included."""
    wanted = select(old_passwords.c.hash).where(old_passwords.c.user_id == user.id)
    with db.read() as tx:
        older = tx.rows(wanted.order_by(old_passwords.c.created_at.desc()).limit(count - 1)) if count > 1 else []
    return [user.password_hash, *(row.hash for row in older)]


def remember(tx: Transaction, rules: PasswordRules, user: UserRow) -> None:
    """Keep the hash that is replaced now, and no more of them than the rules look at."""
    if rules.unique_last_password_count < 2 or user.password_hash is None:
        return
    own = old_passwords.c.user_id == user.id
    row = {"user_id": user.id, "created_at": user.password_created_at or tx.now, "hash": user.password_hash}
    tx.delete(old_passwords, own & (old_passwords.c.created_at == row["created_at"]))
    tx.insert(old_passwords, row)
    newest = select(old_passwords.c.created_at).where(own).order_by(old_passwords.c.created_at.desc())
    kept = [each.created_at for each in tx.rows(newest.limit(rules.unique_last_password_count - 1))]
    tx.delete(old_passwords, own & old_passwords.c.created_at.not_in(kept))
