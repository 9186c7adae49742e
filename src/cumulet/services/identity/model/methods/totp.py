"""By a code of the moment from the user's generator (RFC 6238: SHA-1, six digits, thirty seconds).

The secrets are the user's credentials of type ``totp``. A code is good in its own step of time and the next one, once:
the step is used up when the code is found right, whatever becomes of the login. Wrong codes count as wrong
passwords do; and after a few of them a user's codes are looked at once in each step only, so that a million of them is
not tried in a night. Who has proven the password as well is counted apart from strangers, who cannot lock anybody out
of the second step of a login.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import time

from sqlalchemy.exc import IntegrityError

from cumulet.auth import Unauthenticated
from cumulet.http.faults import Unauthorized
from cumulet.services.identity.model import credentials, password_rules, receipts
from cumulet.services.identity.model.methods import Attempt, Proof
from cumulet.services.identity.model.methods.password import named_user
from cumulet.services.identity.model.tokens import REFUSED
from cumulet.services.identity.tables import totp_uses
from cumulet.services.identity.wire import tokens as wire

STEP_S = 30
PREVIOUS = 1
DIGITS = 6
_SECOND = 1_000_000


def prove(attempt: Attempt, block: wire.Totp) -> Proof:
    """The user whose generator shows the code. Raises `Unauthenticated`."""
    rules, brake, now_s = attempt.context.password_rules, attempt.context.totp_brake, time.time()
    with attempt.db.read() as tx:
        user = named_user(tx, block.user)
        secrets = credentials.totp_secrets(tx, attempt.context.vault, user.id if user else "")
        locked = user is not None and password_rules.is_locked(rules, user, tx.now)
    step = matching_step(secrets, block.user.passcode, now_s)
    if user is None or locked:
        raise Unauthenticated(REFUSED)
    tried = (user.id, _is_proven(attempt, user.id, int(now_s)))
    if brake.holds(tried, now_s):
        raise Unauthenticated(REFUSED)
    if step is None:
        brake.wrong(tried, now_s)
        password_rules.count_failure(attempt.db, rules, user)
        raise Unauthenticated(REFUSED)
    brake.right(tried)
    try:
        with attempt.db.transaction() as tx:
            tx.delete(totp_uses, totp_uses.c.forget_at < tx.now)
            ends = (step + PREVIOUS + 2) * STEP_S * _SECOND
            tx.insert(totp_uses, {"user_id": user.id, "step": step, "forget_at": ends})
    except IntegrityError:
        raise Unauthenticated(REFUSED) from None
    return Proof(user.id)


def _is_proven(attempt: Attempt, user_id: str, now_s: int) -> bool:
    """Whether another method has proven the user: in this request, or in the one that a receipt is for."""
    if user_id in attempt.proven:
        return True
    receipt = attempt.headers.get(receipts.HEADER)
    try:
        return bool(receipt and receipts.methods_of(attempt.context.receipt_keys.box(), receipt, user_id, now_s))
    except Unauthorized:
        return False


def matching_step(secrets: list[str], passcode: str, now_s: float) -> int | None:
    """The step of time whose code is `passcode` under one of `secrets`, if any is now good."""
    current = int(now_s) // STEP_S
    found = None
    for secret in secrets:
        key = _key(secret)
        for step in range(current - PREVIOUS, current + 1):
            if key and hmac.compare_digest(code(key, step).encode(), passcode.encode("utf-8", "replace")):
                found = step
    return found


def code(key: bytes, step: int) -> str:
    """RFC 4226's code for the counter `step`."""
    digest = hmac.new(key, step.to_bytes(8, "big"), hashlib.sha1).digest()
    start = digest[-1] & 15
    number = int.from_bytes(digest[start : start + 4], "big") & 0x7FFFFFFF
    return f"{number % 10**DIGITS:0{DIGITS}d}"


def _key(secret: str) -> bytes:
    text = secret.strip().upper()
    try:
        return base64.b32decode(text + "=" * (-len(text) % 8))
    except (binascii.Error, ValueError):
        return b""
