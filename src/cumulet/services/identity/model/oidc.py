"""OpenID Connect: which issuer a protocol trusts, and what a bearer token of that issuer says.

The deployer declares issuers in ``federation.yaml`` of the state folder; nothing that comes through the API names a
URL that is fetched or a key that is trusted. Signatures, times, issuer and audience are checked by PyJWT with
algorithms that are pinned and asymmetric, so that neither an unsigned token nor one that is signed with the public key
as a secret gets through. Reads from the network: never inside a transaction.
"""

from __future__ import annotations

import json
import logging
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import URLError
from urllib.parse import urlsplit

from msgspec import Struct

from cumulet.http.faults import Unauthorized, Unavailable

if TYPE_CHECKING:
    import jwt

log = logging.getLogger("cumulet.identity.oidc")

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
DEFAULT_ALGORITHMS = ("RS256", "ES256")
LONGEST_TOKEN = 16_384
TIMEOUT_S = 5.0
LEEWAY_S = 30
_KEYS_S = 300.0
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_UNREADABLE = (-1, -1)
_KNOWN = frozenset({"issuer", "audience", "jwks_url", "algorithms"})

REFUSED = "The bearer token is not a valid one of the identity provider."


class Issuer(Struct, frozen=True):
    """What a protocol trusts: tokens of `issuer` for one of `audience`, signed by a key from `jwks_url` (found through
    the issuer's discovery document when empty)."""

    issuer: str
    audience: tuple[str, ...]
    jwks_url: str = ""
    algorithms: tuple[str, ...] = DEFAULT_ALGORITHMS


class Issuers:
    """The issuers of ``federation.yaml``, read again when the file has changed, and their keys."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._read: tuple[int, int] | None = None
        self._issuers: dict[tuple[str, str], Issuer] = {}
        self._keys: dict[Issuer, jwt.PyJWKClient] = {}

    def of(self, idp_id: str, protocol_id: str) -> Issuer | None:
        """The issuer that the protocol of the identity provider trusts; None when the deployer has declared none."""
        with self._lock:
            self._refresh()
            return self._issuers.get((idp_id, protocol_id))

    def claims(self, issuer: Issuer, token: str) -> dict[str, Any]:
        """What the bearer `token` says. Raises 401; 503 when the issuer's keys cannot be had."""
        if not token or len(token) > LONGEST_TOKEN or not token.isascii():
            raise Unauthorized(REFUSED)
        import jwt  # here and below: a cloud that trusts no issuer starts without it
        from jwt.exceptions import PyJWKClientConnectionError, PyJWKClientError, PyJWTError

        try:
            if jwt.get_unverified_header(token).get("alg") not in issuer.algorithms:
                raise Unauthorized(REFUSED)
            key = self._key_client(issuer).get_signing_key_from_jwt(token).key
            return jwt.decode(
                token,
                key,
                algorithms=list(issuer.algorithms),
                audience=list(issuer.audience),
                issuer=issuer.issuer,
                leeway=LEEWAY_S,
                options={"require": ["exp", "iss", "aud"]},
            )
        except PyJWKClientConnectionError as error:
            log.warning("keys of %s cannot be read: %s", issuer.issuer, error)
            raise Unavailable("The keys of the identity provider cannot be read now.") from None
        except (PyJWTError, PyJWKClientError, ValueError, TypeError) as error:
            log.info("a bearer token for %s was refused: %s", issuer.issuer, type(error).__name__)
            raise Unauthorized(REFUSED) from None

    def _key_client(self, issuer: Issuer) -> jwt.PyJWKClient:
        with self._lock:
            client = self._keys.get(issuer)
        if client is None:
            import jwt

            url = issuer.jwks_url or _discovered(issuer.issuer)
            client = jwt.PyJWKClient(url, lifespan=_KEYS_S, timeout=TIMEOUT_S)
            with self._lock:
                client = self._keys.setdefault(issuer, client)
        return client

    def _refresh(self) -> None:
        try:
            found = self._file.stat()
        except OSError as error:
            if not isinstance(error, FileNotFoundError) and self._read != _UNREADABLE:
                log.error("%s is not used: %s", self._file, error)
            self._read = None if isinstance(error, FileNotFoundError) else _UNREADABLE
            self._issuers = {}
            return
        stamp = (found.st_mtime_ns, found.st_size)
        if stamp == self._read:
            return
        import yaml

        try:
            self._issuers = parsed(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError) as error:
            log.error("%s is not used: %s", self._file, error)
            self._issuers = {}
        self._keys.clear()
        self._read = stamp


def parsed(text: str) -> dict[tuple[str, str], Issuer]:
    """``identity provider → protocol → {issuer, audience, jwks_url?, algorithms?}``. Raises ValueError."""
    import yaml

    tree = yaml.safe_load(text) or {}
    if not isinstance(tree, dict) or not all(isinstance(each, dict) for each in tree.values()):
        raise ValueError("expected identity provider → protocol → issuer and audience")
    return {
        (str(idp_id), str(protocol_id)): _issuer(f"{idp_id}/{protocol_id}", told)
        for idp_id, protocols in tree.items()
        for protocol_id, told in protocols.items()
    }


def _issuer(where: str, told: Any) -> Issuer:
    if not isinstance(told, dict) or not {"issuer", "audience"} <= set(told) <= _KNOWN:
        raise ValueError(f"{where}: expected issuer and audience, and at most jwks_url and algorithms beside them")
    audience = told["audience"] if isinstance(told["audience"], list) else [told["audience"]]
    algorithms = told.get("algorithms", list(DEFAULT_ALGORITHMS))
    if not audience or not all(isinstance(each, str) and each for each in audience):
        raise ValueError(f"{where}: audience must be a text or a list of texts")
    if not isinstance(algorithms, list) or not algorithms or not set(algorithms) <= set(ALGORITHMS):
        raise ValueError(f"{where}: algorithms must be some of {', '.join(ALGORITHMS)}")
    for name in ("issuer", "jwks_url"):
        if name in told:
            _check_url(f"{where}: {name}", told[name])
    return Issuer(told["issuer"], tuple(audience), told.get("jwks_url", ""), tuple(algorithms))


def _check_url(where: str, url: Any) -> None:
    """Keys that come over plain HTTP are anybody's: only from this machine itself."""
    parts = urlsplit(url) if isinstance(url, str) else urlsplit("")
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise ValueError(f"{where} must be an https URL")


def _discovered(issuer: str) -> str:
    """The URL of the keys, from the issuer's own document. Raises 503."""
    url = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
    try:
        from urllib.request import Request, urlopen

        with urlopen(Request(url), timeout=TIMEOUT_S) as answer:
            document = json.loads(answer.read(1_000_000))
        if document["issuer"] != issuer:
            raise ValueError(f"the document is of {document['issuer']!r}")
        _check_url("jwks_uri", document["jwks_uri"])
        return str(document["jwks_uri"])
    except (URLError, OSError, ValueError, KeyError, TypeError) as error:
        log.warning("the configuration of %s cannot be read: %s", issuer, error)
        raise Unavailable("The configuration of the identity provider cannot be read now.") from None


def assertion(claims: dict[str, Any]) -> dict[str, list[str]]:
    """Claims as the attributes that mappings know from Apache's module: ``OIDC-<claim>`` and ``HTTP_OIDC_<CLAIM>``, and
    the subject as ``REMOTE_USER``. A text is one value, whatever stands in it."""
    found: dict[str, list[str]] = {}
    for name in sorted(claims, key=lambda name: (name != name.lower(), name)):
        values = _values(claims[name])
        if values:
            found[f"OIDC-{name}"] = values
            # Of claims that differ in case alone, the one in lower case keeps the name: "ISS" never passes for "iss".
            found.setdefault(f"HTTP_OIDC_{name.upper().replace('-', '_')}", values)
    if isinstance(claims.get("sub"), str):
        found["REMOTE_USER"] = [claims["sub"]]
    return found


def _values(value: Any) -> list[str]:
    if isinstance(value, list) and all(isinstance(each, str | int | float) for each in value):
        return [_text(each) for each in value]
    return [] if value is None else [_text(value)]


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return str(int(value)) if isinstance(value, bool) else json.dumps(value)
