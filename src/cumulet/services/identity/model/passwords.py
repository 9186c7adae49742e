"""Hashing and checking passwords. Costs tens of milliseconds: never inside a write transaction.

New hashes are argon2id (19 MiB, two passes, one lane: OWASP's first choice); bcrypt's ``$2b$`` is checked too, so
that a user table brought from elsewhere works. An unknown user costs as much as a known one.
"""

from __future__ import annotations

import threading

import bcrypt
from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

LONGEST = 4096  # characters; Keystone's max_password_length
_BCRYPT_BYTES = 72
_AT_ONCE = 2

_hasher = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1, hash_len=32, salt_len=16)
_slots = threading.BoundedSemaphore(_AT_ONCE)  # each hash takes 19 MiB and a core
_nobody = "$argon2id$v=19$m=19456,t=2,p=1$ngw2Q5tQIWKffVxpvKYJnA$2w2fuCpNPoHqg5lSLsRY+oRfbEWsKL2eYtRdzJRUGRg"


def digest(password: str) -> str:
    """A fresh hash. Raises ValueError for text that UTF-8 cannot hold."""
    with _slots:
        return _hasher.hash(password.encode())


def matches(password: str, hashed: str | None) -> bool:
    """Whether `password` is the one behind `hashed`; None (no such user, no password) takes as long and is False."""
    try:
        raw = password.encode()
    except UnicodeEncodeError:
        raw, hashed = b"", None
    if len(password) > LONGEST:
        raw, hashed = b"", None
    with _slots:
        if hashed is None:
            _argon2(raw, _nobody)
            return False
        if hashed.startswith("$2"):
            return _bcrypt(raw, hashed)
        return _argon2(raw, hashed)


def outdated(hashed: str) -> bool:
    """Whether `hashed` was made by another scheme, or with less work, than new hashes are."""
    return not hashed.startswith("$argon2id$") or _hasher.check_needs_rehash(hashed)


def _argon2(raw: bytes, hashed: str) -> bool:
    try:
        return _hasher.verify(hashed, raw)
    except (Argon2Error, InvalidHashError):
        return False


def _bcrypt(raw: bytes, hashed: str) -> bool:
    if len(raw) > _BCRYPT_BYTES or b"\0" in raw:  # bcrypt would look at a part only: two passwords would be one
        return False
    try:
        return bcrypt.checkpw(raw, hashed.encode())
    except ValueError:
        return False
