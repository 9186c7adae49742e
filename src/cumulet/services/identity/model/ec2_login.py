"""Tokens for signed requests: a service hands on what the holder of an EC2 credential signed, and learns who that is.

The token is the holder's, on the credential's project, with the roles that it has there now. It stands for a
delegation (``ec2credential``), so it reaches no credential and makes no further token.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import UNSET

from cumulet.http.faults import NotFound, Unauthorized
from cumulet.services.identity.model import credentials, login, scopes
from cumulet.services.identity.model.methods import Attempt, Proof
from cumulet.services.identity.model.tokens import SECOND, Record
from cumulet.services.identity.wire.signatures import Signed

METHOD = "ec2credential"
Check = Callable[[str, Signed, float], None]
_DELEGATED = ("trust_id", "app_cred_id", "access_token_id")


def log_in(attempt: Attempt, given: Signed, check: Check) -> tuple[str, Record]:
    """A token for who signed `given`, and its record. `check`: one of `ec2_signatures`. Raises 401, 404."""
    if not isinstance(given.access, str) or not given.access:
        raise Unauthorized("EC2 Signature not supplied")
    with attempt.db.read() as tx:
        row = credentials.find(tx, credentials.hashed(given.access))
        if row is None or row.type.lower() != credentials.EC2:
            raise NotFound("EC2 access key not found.")
        blob = credentials.ec2_blob(attempt.context.vault.opened(row))
        if not isinstance(blob.get("secret"), str) or not blob["secret"]:
            raise Unauthorized("Invalid EC2 signature.")
        check(blob["secret"], given, tx.now / SECOND)
        if any(blob.get(name) for name in _DELEGATED):  # no delegation makes one here: such a blob was written by hand
            raise Unauthorized("User not valid for project.")
        scope = scopes.project(tx, row.project_id or "")
    return login.issue(attempt, {METHOD: Proof(row.user_id, scope=scope)}, UNSET)
