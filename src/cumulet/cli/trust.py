"""What clients of this cloud's APIs go by: the certificate that is shown, and who signed it.

Imported by every verb, so it reads files and makes nothing (`cli/certificates.py` does).
"""

from __future__ import annotations

import ssl
from pathlib import Path

from cumulet.config import Settings
from cumulet.config.secret_files import read_private

AUTHORITY_KEY, AUTHORITY, SERVER = "tls_ca_key", "tls_ca_certificate", "tls_server"
"""Files below ``STATE/secrets``; the last holds a certificate and its key."""
COPY = "ca.crt"
_MOST = 32_768
_END = "-----END CERTIFICATE-----"


def files(settings: Settings) -> tuple[Path, Path | None]:
    """The certificate that the APIs show, and its key (None: in the same file)."""
    if settings.tls_certificate:
        return Path(settings.tls_certificate), Path(settings.tls_key) if settings.tls_key else None
    return settings.secrets_dir / SERVER, None


def authority(settings: Settings) -> Path | None:
    """What a client needs to trust the cloud; None when its system already does, or nothing is encrypted."""
    if not settings.encrypted:
        return None
    if settings.tls_certificate:
        return Path(settings.tls_ca) if settings.tls_ca else None
    return settings.state / COPY


def read(settings: Settings, name: str) -> str:
    """The text of one of our own files. Raises OSError and ValueError."""
    return read_private(settings.secrets_dir, name, _MOST)[1] + "\n"


def certificate(settings: Settings) -> bytes | None:
    """The certificate (DER) that the APIs show now; None when they speak plain HTTP. Raises OSError."""
    if not settings.encrypted:
        return None
    try:
        given = settings.tls_certificate
        text = Path(given).read_text(encoding="ascii") if given else read(settings, SERVER)
        return ssl.PEM_cert_to_DER_cert(text[text.index("-----BEGIN CERTIFICATE") : text.index(_END) + len(_END)])
    except ValueError:
        raise OSError(f"{files(settings)[0]} holds no certificate") from None
