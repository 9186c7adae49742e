"""By an application credential and its secret; the credential fixes the scope.

One that does not exist costs a hash and reads as a wrong secret. Whose it is says the credential alone: a user in the
request only helps to find it by name.
"""

from __future__ import annotations

from msgspec import UnsetType

from cumulet.auth import Unauthenticated
from cumulet.db import Transaction, select_as
from cumulet.http.faults import BadRequest
from cumulet.services.identity.model import application_credentials, passwords, scopes
from cumulet.services.identity.model.methods import Attempt, Proof
from cumulet.services.identity.model.methods.password import named_user
from cumulet.services.identity.model.payloads import Facts
from cumulet.services.identity.model.tokens import REFUSED, SECOND
from cumulet.services.identity.tables import ApplicationCredentialRow
from cumulet.services.identity.tables import application_credentials as table
from cumulet.services.identity.wire import tokens as wire


def prove(attempt: Attempt, block: wire.ApplicationCredential) -> Proof:
    """The user whose credential it is. Raises `Unauthenticated`, 400."""
    with attempt.db.read() as tx:
        row = _found(tx, block)
    if not passwords.matches(block.secret, row.secret_hash if row else None) or row is None:
        raise Unauthenticated(REFUSED)
    with attempt.db.read() as tx:
        scope = scopes.project(tx, row.project_id)
        if row.expires_at is not None and row.expires_at <= tx.now:
            raise Unauthenticated(REFUSED)
    expires_at = row.expires_at // SECOND if row.expires_at is not None else None
    facts = Facts(application_credential_id=row.id)
    return Proof(row.user_id, facts=facts, scope=scope, expires_at=expires_at)


def _found(tx: Transaction, block: wire.ApplicationCredential) -> ApplicationCredentialRow | None:
    """The credential by id, or by name and user. Raises 400."""
    if block.id:
        return application_credentials.find(tx, block.id)
    if not block.name:
        raise BadRequest(scopes.expecting("id or name", "application_credential"))
    if isinstance(block.user, UnsetType):
        raise BadRequest(scopes.expecting("user", "application_credential"))
    user = named_user(tx, block.user)
    if user is None:
        return None
    return tx.row(select_as(ApplicationCredentialRow).where(table.c.user_id == user.id, table.c.name == block.name))
