"""Keys that users bring or have made here: their fingerprints, and certificates for Windows guests.

Loaded when the first one is asked for: what it needs of cryptography takes a while, and most clouds start without.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from msgspec import Struct

from cumulet.http.faults import BadRequest


class Material(Struct, frozen=True):
    """A key: `private_key` only when it was made here."""

    type: str
    public_key: str
    fingerprint: str
    private_key: str | None = None


_INVALID = "Keypair data is invalid: failed to generate fingerprint"
_INVALID_CERTIFICATE = "Keypair data is invalid: failed to generate X509 fingerprint. Error message: "


def imported(kind: str, public_key: str) -> Material:
    """The key that a user brings, which stays as it was given: tools compare it. Raises 400 when it is none.

    A key is a line as in `authorized_keys`: type, base64, and perhaps a comment; white space and lines may follow.
    """
    if kind == "x509":
        return Material(kind, public_key, _certificate_fingerprint(public_key))
    try:
        text = public_key.encode()
        serialization.load_ssh_public_key(text)
        blob = base64.b64decode(text.split(maxsplit=2)[1], validate=True)
    except Exception:
        raise BadRequest(_INVALID) from None
    return Material(kind, public_key, _colons(hashlib.md5(blob, usedforsecurity=False).hexdigest()))


def _certificate_fingerprint(pem: str) -> str:
    try:
        certificate = x509.load_pem_x509_certificate(pem.encode())
    except Exception as error:
        raise BadRequest(f"{_INVALID_CERTIFICATE}{error}") from None
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
