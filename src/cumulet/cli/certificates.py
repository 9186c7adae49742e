"""The cloud's own authority, and the certificate that its APIs show: made by `up`, renewed while the cloud runs.

The authority's key and the server's are secrets (0600, of the controller's user); the authority's certificate is a
copy for everybody, ``STATE/ca.crt``, which the credentials files name. An operator's own certificate
(``tls_certificate``) takes the place of both. Local tools know the server by its very certificate, whoever signed it.
"""

from __future__ import annotations

import datetime
import ipaddress
import logging
import os
import pwd
import socket
import threading
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from cumulet import files
from cumulet.cli import listening, machine, state_folder, trust
from cumulet.cli.errors import CliError
from cumulet.config import Settings
from cumulet.http.tls import Certificate, CertificateError

log = logging.getLogger("cumulet.tls")

AUTHORITY_DAYS = 3650
SERVER_DAYS = 397
"""What clients take at most of a certificate for servers."""
RENEW_DAYS = 60
CHECK_S = 3600.0
_SLACK = datetime.timedelta(hours=1)
"""Before now: clocks of clients differ."""
_MOST_NAMES = 100


def ensure(settings: Settings, owner: pwd.struct_passwd | None) -> bool:
    """Make what is missing, or no longer fits the cloud's names; whether clients have a new authority to trust.
    Raises CliError for an operator's certificate that cannot be used."""
    if not settings.encrypted:
        return False
    if settings.tls_certificate:
        _check_given(settings, owner)
        return False
    folder = settings.secrets_dir
    new = False
    try:
        key, certificate = _authority(settings)
    except (OSError, ValueError):
        key, certificate = _make_authority()
        state_folder.write_secret(folder, trust.AUTHORITY_KEY, owner, _pem(key).strip())
        state_folder.write_secret(folder, trust.AUTHORITY, owner, _text(certificate).strip())
        new = True
    _copy(settings.state / trust.COPY, _text(certificate))
    names = names_of(settings)
    if new or _wants_renewal(_server(settings), names, certificate):
        state_folder.write_secret(folder, trust.SERVER, owner, issue(key, certificate, names).strip())
    return new


def keep_fresh(settings: Settings, ended: threading.Event) -> None:
    """Renew the server's certificate in time; the body of a thread of the controller."""
    while not ended.wait(CHECK_S):
        try:
            renew(settings)
        except (OSError, ValueError) as error:
            log.error("the certificate of the APIs cannot be renewed: %s", error)


def renew(settings: Settings, *, anyway: bool = False) -> bool:
    """Write a new server's certificate when the one in use ends within `RENEW_DAYS` (or `anyway`); whether it did."""
    names = names_of(settings)
    key, certificate = _authority(settings)
    found = _server(settings)
    if found is not None and days_left(found) >= RENEW_DAYS and not anyway:
        return False
    state_folder.replace_secret(settings.state, trust.SERVER, issue(key, certificate, names).strip())
    return True


def certificate_in_use(settings: Settings) -> x509.Certificate:
    """The certificate that the APIs show. Raises OSError and ValueError."""
    shown = trust.certificate(settings)
    if shown is None:
        raise ValueError("the APIs speak plain HTTP")
    return x509.load_der_x509_certificate(shown)


def names_in(certificate: x509.Certificate) -> set[str]:
    """Names and addresses that it is good for."""
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {str(each.value) for each in found}


def days_left(certificate: x509.Certificate) -> float:
    """Days until it ends; below 0: since."""
    return (certificate.not_valid_after_utc - datetime.datetime.now(datetime.UTC)) / datetime.timedelta(days=1)


def names_of(settings: Settings) -> list[str]:
    """Names and addresses that clients may reach the APIs by."""
    names = [settings.endpoint_host.strip("[]"), settings.local_host.strip("[]"), "localhost", "127.0.0.1", "::1"]
    names.append(settings.node_name)
    if settings.listen in ("0.0.0.0", "::"):  # noqa: S104 - compared, not listened on
        names += _addresses()
    return [name for name in dict.fromkeys(names) if name][:_MOST_NAMES]


def issue(key: ec.EllipticCurvePrivateKey, authority: x509.Certificate, names: Sequence[str]) -> str:
    """A server's certificate for `names` and its key, as PEM."""
    own = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    until = min(now + datetime.timedelta(days=SERVER_DAYS), authority.not_valid_after_utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])]))
        .issuer_name(authority.subject)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SLACK)
        .not_valid_after(until)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(own.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
    )
    return _text(builder.sign(key, hashes.SHA256())) + _pem(own)


def _make_authority() -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    serial = x509.random_serial_number()
    # A name of its own for each: a browser that knew another cloud's would take the two for one.
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Cumulet {serial:x}"[:24])])
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(now - _SLACK)
        .not_valid_after(now + datetime.timedelta(days=AUTHORITY_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return key, builder.sign(key, hashes.SHA256())


def _wants_renewal(found: x509.Certificate | None, names: Sequence[str], authority: x509.Certificate) -> bool:
    """Whether the certificate is missing, another authority's, ends soon or lacks a name."""
    if found is None or found.issuer != authority.subject or days_left(found) < RENEW_DAYS:
        return True
    return not {str(_general(name).value) for name in names} <= names_in(found)


def _server(settings: Settings) -> x509.Certificate | None:
    try:
        return x509.load_pem_x509_certificate(trust.read(settings, trust.SERVER).encode())
    except (OSError, ValueError):
        return None


def _authority(settings: Settings) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = serialization.load_pem_private_key(trust.read(settings, trust.AUTHORITY_KEY).encode(), password=None)
    certificate = x509.load_pem_x509_certificate(trust.read(settings, trust.AUTHORITY).encode())
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise ValueError("the authority's certificate and its key do not belong together")
    if days_left(certificate) < 0:
        raise ValueError("the authority has ended")
    return key, certificate


def _check_given(settings: Settings, owner: pwd.struct_passwd | None) -> None:
    for name in ("tls_certificate", "tls_key", "tls_ca"):
        text = getattr(settings, name)
        if text and not os.access(text, os.R_OK):
            raise CliError(f"{name}: cannot read {text}")
        if text and owner is not None and not machine.may_read(owner, Path(text)):
            # The APIs read it again when it changes, and they do not run as root.
            raise CliError(f"{name}: the user {owner.pw_name}, whom the APIs run as, cannot read {text}")
    try:
        Certificate(*trust.files(settings))
        left = days_left(certificate_in_use(settings))
    except (CertificateError, OSError, ValueError) as error:
        raise CliError(f"tls_certificate: {error}") from None
    if left < 0:
        raise CliError(f"tls_certificate: {settings.tls_certificate} has ended {-left:.0f} days ago")


def _copy(path: Path, text: str) -> None:
    if path.exists() and path.read_text(encoding="ascii") == text:
        return
    files.put(path, text, mode=0o644)


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _addresses() -> list[str]:
    """This machine's own addresses: those of its network cards, and of its name."""
    found = {str(entry[4][0]).partition("%")[0] for entry in _resolved(socket.gethostname())}
    return list(dict.fromkeys([*listening.addresses(), *sorted(found)]))


def _resolved(name: str) -> list[tuple[int, int, int, str, tuple[str | int, ...]]]:
    try:
        return list(socket.getaddrinfo(name, None, type=socket.SOCK_STREAM))  # type: ignore[arg-type]
    except OSError:
        return []


def _pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def _text(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
