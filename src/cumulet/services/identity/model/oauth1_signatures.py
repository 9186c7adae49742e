"""Signatures of OAuth 1.0a, checked with oauthlib: each is good once, and only for some minutes.

An unknown consumer or token costs what a known one does: a signature is computed all the same, with a secret that
nobody has. Signatures are HMACs; the method PLAINTEXT, which sends secrets, is refused, and so are RSA keys, of which
consumers have none.
"""

from __future__ import annotations

import hashlib
import secrets
import string
from collections.abc import Mapping
from typing import Any

from oauthlib import oauth1
from oauthlib.oauth1.rfc5849.errors import OAuth1Error
from oauthlib.oauth1.rfc5849.utils import parse_authorization_header
from sqlalchemy.exc import IntegrityError

from cumulet.db import Transaction
from cumulet.http.faults import BadRequest, NotFound, Unauthorized
from cumulet.services.identity.model import oauth1 as model
from cumulet.services.identity.model.scopes import expecting
from cumulet.services.identity.model.vault import Vault
from cumulet.services.identity.tables import oauth1_nonces

_SECOND = 1_000_000
_HEX = set("abcdef0123456789")
_LETTERS = set(string.ascii_letters + string.digits)
_LONGEST_NONCE = 128
_FORGET_S = 3600  # timestamps may be ten minutes off, either way
_INVALID = "Invalid signature"


def parameters(headers: Mapping[str, str], *needed: str) -> dict[str, str]:
    """The parameters of OAuth in the Authorization header, of which `needed` must be there. Raises 400."""
    try:
        found = {str(key): str(value) for key, value in parse_authorization_header(headers.get("authorization", ""))}
    except ValueError:
        raise BadRequest("OAuth headers missing") from None
    for name in needed:
        if not found.get(name):
            raise BadRequest(expecting(name, "request"))
    return found


class Signatures(oauth1.RequestValidator):  # type: ignore[misc]
    """Checks requests in one transaction. Writes nothing but, when all is well, the nonce (`spend`)."""

    allowed_signature_methods = (oauth1.SIGNATURE_HMAC_SHA1, oauth1.SIGNATURE_HMAC_SHA256, oauth1.SIGNATURE_HMAC_SHA512)
    enforce_ssl = False  # a proxy may have ended TLS
    dummy_client = dummy_request_token = dummy_access_token = "0" * 32

    def __init__(self, tx: Transaction, vault: Vault) -> None:
        super().__init__()
        self._tx = tx
        self._vault = vault
        self._nobody = secrets.token_hex(16)

    def check(self, kind: str, url: str, headers: Mapping[str, str]) -> str:
        """The id of the nonce of a request (POST, to `url`) that is signed well. `kind`: ``request`` for a request
        token, ``exchange`` for changing one, ``access`` for the use of an access token. Raises 400, 401."""
        given = {"Authorization": headers.get("authorization", "")}
        try:
            if kind == "access":
                endpoint: Any = oauth1.ResourceEndpoint(self)
                good, signed = endpoint.validate_protected_resource_request(url, "POST", "", given)
                if signed is None:  # it says so instead of raising
                    raise Unauthorized("Could not validate the access token")
            elif kind == "exchange":
                endpoint = oauth1.AccessTokenEndpoint(self)
                good, signed = endpoint.validate_access_token_request(endpoint._create_request(url, "POST", "", given))
            else:
                endpoint = oauth1.RequestTokenEndpoint(self)
                good, signed = endpoint.validate_request_token_request(endpoint._create_request(url, "POST", "", given))
        except OAuth1Error as error:
            words = f"Validation failed with errors: {error.error}, detail message is: {error.description}."
            raise BadRequest(words) from None
        except ValueError:  # a URL or an escape that is none
            raise BadRequest("OAuth headers missing") from None
        if not good:
            raise Unauthorized("Could not validate the access token" if kind == "access" else _INVALID)
        told = (signed.client_key, signed.resource_owner_key or "", signed.timestamp, signed.nonce)
        return hashlib.sha256("\n".join(told).encode()).hexdigest()

    def check_client_key(self, client_key: str) -> bool:
        """Our ids are 32 hex digits."""
        return set(client_key) <= _HEX and len(client_key) == 32

    check_request_token = check_access_token = check_client_key

    def check_nonce(self, nonce: str) -> bool:
        """Any letters and digits."""
        return set(nonce) <= _LETTERS and len(nonce) <= _LONGEST_NONCE

    def check_verifier(self, verifier: str) -> bool:
        """As `oauth1.authorize` makes them."""
        return set(verifier) <= set(model.VERIFIER_LETTERS) and len(verifier) == model.VERIFIER_LENGTH

    def validate_timestamp_and_nonce(self, client_key: str, timestamp: str, nonce: str, *_: Any, **__: Any) -> bool:
        """The time has been checked against `timestamp_lifetime`; `spend` says whether the nonce is fresh."""
        return True

    def validate_client_key(self, client_key: str, _request: Any) -> bool:
        """Whether there is such a consumer."""
        return self._consumer(client_key) is not None

    def get_client_secret(self, client_key: str, _request: Any) -> str:
        """The consumer's secret, or one that nobody has."""
        return self._secret(self._consumer(client_key))

    def validate_request_token(self, client_key: str, token: str, _request: Any) -> bool:
        """Whether the request token is this consumer's."""
        row = model.find_request_token(self._tx, token)
        return row is not None and row.consumer_id == client_key

    def get_request_token_secret(self, _client_key: str, token: str, _request: Any) -> str:
        """The request token's secret, or one that nobody has."""
        return self._secret(model.find_request_token(self._tx, token))

    def validate_verifier(self, _client_key: str, token: str, verifier: str, _request: Any) -> bool:
        """Whether the user who authorized the token was told this."""
        row = model.find_request_token(self._tx, token)
        return row is not None and secrets.compare_digest((row.verifier or "").encode(), verifier.encode())

    def validate_access_token(self, client_key: str, token: str, _request: Any) -> bool:
        """Whether the access token is this consumer's."""
        row = model.find_access_token(self._tx, token)
        return row is not None and row.consumer_id == client_key

    def get_access_token_secret(self, _client_key: str, token: str, _request: Any) -> str:
        """The access token's secret, or one that nobody has."""
        return self._secret(model.find_access_token(self._tx, token))

    def validate_redirect_uri(self, *_: Any) -> bool:
        """There is no redirection: users hand on the verifier themselves."""
        return True

    def validate_requested_realms(self, *_: Any) -> bool:
        """There are no realms."""
        return True

    def validate_realms(self, *_: Any, **__: Any) -> bool:
        """There are no realms."""
        return True

    def get_default_realms(self, *_: Any) -> list[str]:
        """There are no realms."""
        return []

    get_realms = get_default_realms

    def _consumer(self, client_key: str) -> Any:
        try:
            return model.consumer(self._tx, client_key)
        except NotFound:
            return None

    def _secret(self, row: Any) -> str:
        return self._nobody if row is None else self._vault.opened(row)


def spend(tx: Transaction, nonce_id: str) -> None:
    """Use up a nonce. Raises 401 when it has been used."""
    forget_at = tx.now + _FORGET_S * _SECOND
    tx.delete(oauth1_nonces, oauth1_nonces.c.forget_at < tx.now)
    try:
        tx.insert(oauth1_nonces, {"id": nonce_id, "forget_at": forget_at})
    except IntegrityError:
        raise Unauthorized(_INVALID) from None
