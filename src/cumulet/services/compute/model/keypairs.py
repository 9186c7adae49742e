"""Key pairs: rules, key material and SQL. Private keys are made, handed out once and never kept."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from sqlalchemy import Row, and_, func, select
from sqlalchemy.exc import IntegrityError

from cumulet.http.faults import BadRequest, Conflict, NotAllowed, NotFound
from cumulet.services.compute.tables import keypairs
from cumulet.store import Page, Transaction, paged
from cumulet.store.paging import MarkerNotFound


@dataclass(frozen=True)
class Material:
    """A key: `private_key` only when it was made here."""

    type: str
    public_key: str
    fingerprint: str
    private_key: str | None = None


_INVALID = "Keypair data is invalid: failed to generate fingerprint"


def imported(kind: str, public_key: str) -> Material:
    """The key that a user brings. Raises 400 when it is none."""
    if kind == "x509":
        return Material(kind, public_key, _certificate_fingerprint(public_key))
    try:
        serialization.load_ssh_public_key(public_key.encode())
        blob = base64.b64decode(public_key.split(" ")[1], validate=True)
    except Exception:
        raise BadRequest(_INVALID) from None
    return Material(kind, public_key, _colons(hashlib.md5(blob, usedforsecurity=False).hexdigest()))


def _certificate_fingerprint(pem: str) -> str:
    try:
        certificate = x509.load_pem_x509_certificate(pem.encode())
    except Exception:
        raise BadRequest(_INVALID) from None
    return _colons(certificate.fingerprint(hashes.SHA1()).hex())


def _colons(digest: str) -> str:
    return ":".join(digest[i : i + 2] for i in range(0, len(digest), 2))


def generated(kind: str, user_id: str) -> Material:
    """A new RSA key of 2048 bits; for x509 a certificate for client authentication with it. Takes ~0.1 s."""
    key = rsa.generate_private_key(65537, 2048)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8 if kind == "x509" else serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    ).decode()
    if kind == "x509":
        pem = _certificate(key, user_id)
        return Material(kind, pem, _certificate_fingerprint(pem), private)
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()
    return Material(kind, f"{public} Generated-by-Nova", imported("ssh", public).fingerprint, private)


def _certificate(key: rsa.RSAPrivateKey, user_id: str) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, user_id[:64])])
    upn = x509.OtherName(
        x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), b"\x0c" + bytes([len(user_id)]) + user_id.encode()
    )
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=3650))
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([upn]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def store(tx: Transaction, user_id: str, name: str, material: Material, limit: int) -> Row[Any]:
    """Keep a public key under `name`. Raises 409 for a name that is taken, 403 beyond `limit` keys (-1: none)."""
    used = int(tx.scalar(select(func.count()).select_from(keypairs).where(keypairs.c.user_id == user_id)) or 0)
    if 0 <= limit <= used:
        raise NotAllowed("Quota exceeded, too many key pairs.")
    row = {"user_id": user_id, "name": name, "type": material.type, "fingerprint": material.fingerprint}
    try:
        tx.insert(keypairs, {**row, "public_key": material.public_key, "created_at": tx.now})
    except IntegrityError:
        raise Conflict(f"Key pair '{name}' already exists.") from None
    return get(tx, user_id, name)


def find(tx: Transaction, user_id: str, name: str) -> Row[Any] | None:
    """A user's key of this name."""
    return tx.row(select(keypairs).where(keypairs.c.user_id == user_id, keypairs.c.name == name))


def get(tx: Transaction, user_id: str, name: str) -> Row[Any]:
    """As `find`. Raises 404."""
    row = find(tx, user_id, name)
    if row is None:
        raise NotFound(f"Keypair {name} not found for user {user_id}")
    return row


def listed(tx: Transaction, user_id: str, limit: int | None, marker: str | None) -> Sequence[Row[Any]]:
    """A user's keys by name. Raises 400 for the marker."""
    if marker is not None and find(tx, user_id, marker) is None:
        raise BadRequest(f"Marker {marker} could not be found.")
    query = select(keypairs).where(keypairs.c.user_id == user_id)
    if marker is not None:
        query = query.where(keypairs.c.name > marker)
    try:
        return paged(tx, query, {}, Page(limit), keypairs.c.name, query)
    except MarkerNotFound:  # the marker is looked up above: names are unique per user only
        return []


def delete(tx: Transaction, user_id: str, name: str) -> None:
    """Forget a key; servers keep their copy. Raises 404."""
    if not tx.delete(keypairs, and_(keypairs.c.user_id == user_id, keypairs.c.name == name)):
        raise NotFound(f"Keypair {name} not found for user {user_id}")
