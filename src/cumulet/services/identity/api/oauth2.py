"""OAuth 2.0 client credentials (RFC 6749, 4.4): an application credential's id and secret for a bearer token.

The token is one of ours like any other. Errors have the body of that RFC instead of identity's own. Clients with a
certificate instead of a secret (RFC 8705) are not here, as no TLS ends in this process.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from cumulet.auth import Unauthenticated
from cumulet.http import Call, Reply
from cumulet.http.faults import Fault
from cumulet.http.operation import LOGIN
from cumulet.http.reading import parameters
from cumulet.services.identity.api.tokens import logged_in
from cumulet.services.identity.model.receipts import Incomplete
from cumulet.services.identity.service import identity
from cumulet.services.identity.wire import tokens as wire
from cumulet.services.identity.wire.oauth2 import BEARER_TOKEN

_FORM = "application/x-www-form-urlencoded"
_MOST = 16_384
_REFUSED = "Client authentication failed."
_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache", "Vary": "X-Auth-Token"}


@identity.post(
    "/v3/OS-OAUTH2/token",
    audit=LOGIN,
    auth=False,
    faults=(401, 403, 503),
    consumes=(_FORM,),
    transaction="none",
    response=BEARER_TOKEN,
)
async def token(call: Call) -> Reply:
    """Get a bearer token for an application credential, as an OAuth 2.0 client."""
    try:
        form = await _form(call)
        client = _client(call, form)
    except Fault as fault:
        return _error(call, fault.status, "invalid_request", fault.message)
    grant = form.get("grant_type")
    if grant is None:
        return _error(call, 400, "invalid_request", "The parameter grant_type is required.")
    if grant != "client_credentials":
        return _error(call, 400, "unsupported_grant_type", f"The parameter grant_type {grant[:64]} is not supported.")
    if not all(client):
        return _error(call, 401, "invalid_client", _REFUSED)
    return await _issued(call, *client)


async def _issued(call: Call, client_id: str, secret: str) -> Reply:
    block = wire.ApplicationCredential(id=client_id, secret=secret)
    auth = wire.Auth(identity=wire.Identity(methods=["application_credential"], application_credential=block))
    try:
        made, record = await logged_in(call, auth)
    except (Unauthenticated, Incomplete):
        return _error(call, 401, "invalid_client", _REFUSED)
    except Fault as fault:
        name = {400: "invalid_request", 401: "invalid_client"}.get(fault.status, "other_error")
        return _error(call, fault.status, name, fault.message, fault.headers)
    life_s = record.payload.expires_at - record.payload.issued_at
    return Reply({"access_token": made, "token_type": "Bearer", "expires_in": life_s}, 200, _NO_STORE)


async def _form(call: Call) -> dict[str, str]:
    """The form of the body, each field once. Raises 400, 413."""
    body = b"".join([piece async for piece in call.chunks(_MOST)])
    return {name: values[-1] for name, values in parameters(body.decode("latin-1")).items()}


def _client(call: Call, form: dict[str, str]) -> tuple[str, str]:
    """Id and secret, of the header where there is one, else of the form; empty where they are not given."""
    scheme, _, given = call.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return form.get("client_id", ""), form.get("client_secret", "")
    try:
        name, _, secret = base64.b64decode(given.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return "", ""
    return ("", "") if "\0" in name else (name, secret)


def _error(call: Call, status: int, name: str, why: str, more: Mapping[str, str] | None = None) -> Reply:
    headers = {"Cache-Control": "no-store", **(more or {})}
    if status == 401:
        headers["WWW-Authenticate"] = f'Keystone uri="{call.base_url}"'
    body: dict[str, Any] = {"error": name, "error_description": why}
    return Reply(body, status, headers)
