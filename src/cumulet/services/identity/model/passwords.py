"""Hashing and checking passwords. Costs tens of milliseconds: never inside a write transaction, and never on a thread
that serves the APIs (`turns.py`).

The work is done by few threads that stand back for all others of the process: each hash takes 19 MiB and a core, and
whoever validates a token must not wait for a stranger's login.

New hashes are argon2id (19 MiB, two passes, one lane: OWASP's first choice); bcrypt's ``$2b$`` is checked too, so
that a user table brought from elsewhere works. An unknown user costs as much as a known one.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import bcrypt
from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from cumulet.services.identity.model import turns

T = TypeVar("T")

LONGEST = 4096  # characters; Keystone's max_password_length
_BCRYPT_BYTES = 72
_AT_ONCE = 2
_NICE = 5

_hasher = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1, hash_len=32, salt_len=16)
_nobody = "$argon2id$v=19$m=19456,t=2,p=1$ngw2Q5tQIWKffVxpvKYJnA$2w2fuCpNPoHqg5lSLsRY+oRfbEWsKL2eYtRdzJRUGRg"


def _stand_back() -> None:
    """A thread's priority on Linux is its own; the hash keeps no lock of the interpreter while it is computed."""
    thread = threading.get_native_id()
    os.setpriority(os.PRIO_PROCESS, thread, min(19, os.getpriority(os.PRIO_PROCESS, thread) + _NICE))


_threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="hash", initializer=_stand_back)


def _computed(work: Callable[..., T], *arguments: bytes | str) -> T:
    with turns.hashing():
        return _threads.submit(work, *arguments).result()


def digest(password: str) -> str:
    """A fresh hash. Raises ValueError for text that UTF-8 cannot hold."""
    return _computed(_hasher.hash, password.encode())


def matches(password: str, hashed: str | None) -> bool:
    """Whether `password` is the one behind `hashed`; None (no such user, no password) takes as long and is False."""
    try:
        raw = password.encode()
    except UnicodeEncodeError:
        raw, hashed = b"", None
    if len(password) > LONGEST:
        raw, hashed = b"", None
    if hashed is None:
        _computed(_argon2, raw, _nobody)
        return False
    return _computed(_bcrypt if hashed.startswith("$2") else _argon2, raw, hashed)


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
