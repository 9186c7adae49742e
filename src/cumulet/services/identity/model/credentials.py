"""Credentials: a user's blobs (EC2 keys, TOTP secrets, certificates), sealed by the vault.

The id of an EC2 credential is the hash of its access key, so that a signature's key finds it. A blob is opened only for
an answer or to check a proof; it is never logged.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from cumulet.db import Transaction, select_as
from cumulet.http.collections import Query
from cumulet.http.faults import BadRequest
from cumulet.services.identity.model import lookups
from cumulet.services.identity.model.filters import listed
from cumulet.services.identity.model.vault import Vault
from cumulet.services.identity.tables import CredentialRow, credentials

EC2 = "ec2"
TOTP = "totp"
COLUMNS = {"id": credentials.c.id, "user_id": credentials.c.user_id, "type": credentials.c.type}
_BOUND = ("trust_id", "app_cred_id", "access_token_id", "access_id")  # what an EC2 credential is bound to, for good


class Opened(Struct, frozen=True):
    """A credential with its blob."""

    row: CredentialRow
    blob: str


def hashed(access: str) -> str:
    """The id of the EC2 credential with this access key."""
    return hashlib.sha256(access.encode()).hexdigest()


def find(tx: Transaction, credential_id: str) -> CredentialRow | None:
    """The row, or None. One query."""
    return tx.row(select_as(CredentialRow).where(credentials.c.id == credential_id))


def browse(tx: Transaction, vault: Vault, query: Query, user_id: str | None) -> list[Opened]:
    """Credentials that fit `query`, of one user when given. One query, two with a marker."""
    wanted = select_as(CredentialRow)
    if user_id is not None:
        wanted = wanted.where(credentials.c.user_id == user_id)
    return [Opened(row, vault.opened(row)) for row in listed(tx, wanted, query, COLUMNS)]


def of_user(tx: Transaction, vault: Vault, user_id: str, kind: str) -> list[Opened]:
    """A user's credentials of one type, in the order of their ids. One query."""
    where = (credentials.c.user_id == user_id, credentials.c.type == kind)
    rows: Sequence[CredentialRow] = tx.rows(select_as(CredentialRow).where(*where).order_by(credentials.c.id))
    return [Opened(row, vault.opened(row)) for row in rows]


def totp_secrets(tx: Transaction, vault: Vault, user_id: str) -> list[str]:
    """The base32 secrets of a user's TOTP credentials. One query."""
    return [found.blob for found in of_user(tx, vault, user_id, TOTP)]


def create(tx: Transaction, vault: Vault, fields: Mapping[str, Any], blob: str) -> Opened:
    """A new credential. `fields`: columns but for the id. Raises 400 for the blob, 409 for an access key in use."""
    credential_id = uuid.uuid4().hex
    if fields["type"].lower() == EC2:
        if not fields.get("project_id"):
            raise BadRequest("'project_id' is a required property")
        credential_id = hashed(ec2_blob(blob)["access"])
    check_blob(fields["type"], blob)
    row = {"project_id": None, **fields, "id": credential_id, **vault.sealed(blob)}
    taken = lookups.conflict("credential", f"Duplicate entry found with ID {credential_id}")
    lookups.insert(tx, credentials, row, taken)
    found = find(tx, credential_id)
    assert found is not None
    return Opened(found, blob)


def update(tx: Transaction, vault: Vault, row: CredentialRow, asked: Mapping[str, Any], blob: str) -> Opened:
    """Give a credential another blob. `asked`: what else the request says, which may say again what is, and no more:
    whose a credential is, for what, and of which type, never changes (OSSA-2020-004). Raises 400."""
    for name, value in asked.items():
        if value != getattr(row, name):
            raise BadRequest(f"{name} can not be updated for credential")
    check_blob(row.type, blob)
    if row.type.lower() == EC2:
        old, new = ec2_blob(vault.opened(row)), ec2_blob(blob)
        for name in _BOUND:
            if old.get(name) != new.get(name):
                raise BadRequest(f"{name} can not be updated for credential")
    tx.update(credentials, credentials.c.id == row.id, **vault.sealed(blob))
    return Opened(row, blob)


def delete(tx: Transaction, credential_id: str) -> None:
    """Delete a credential."""
    tx.delete(credentials, credentials.c.id == credential_id)


def ec2_blob(blob: str) -> dict[str, Any]:
    """The object in an EC2 credential's blob. Raises 400."""
    try:
        found = msgspec.json.decode(blob)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise BadRequest("Invalid blob in credential") from None
    if not isinstance(found, dict) or not found:
        raise _expected("blob")
    if not isinstance(found.get("access"), str) or not found["access"]:
        raise _expected("access")
    return found


def check_blob(kind: str, blob: str) -> None:
    """Raise 400 for a blob that could never prove anything."""
    if kind.lower() == EC2:
        ec2_blob(blob)
    elif kind.lower() == TOTP:
        text = blob.strip().upper()
        try:
            secret = base64.b32decode(text + "=" * (-len(text) % 8))
        except (binascii.Error, ValueError):
            secret = b""
        if not secret:
            raise BadRequest("Invalid blob in credential")


def _expected(attribute: str) -> BadRequest:
    return BadRequest(
        f"Expecting to find {attribute} in credential. The server could not comply with the request since it is either "
        "malformed or otherwise incorrect. The client is assumed to be in error."
    )
