"""Which methods there are."""

from __future__ import annotations

from cumulet.http.faults import Unauthorized
from cumulet.services.identity.model.methods import (
    Method,
    application_credential,
    external,
    mapped,
    oauth1,
    password,
    token,
    totp,
)

METHODS: dict[str, Method] = {
    "application_credential": application_credential.prove,
    "external": external.prove,
    "mapped": mapped.prove,
    "oauth1": oauth1.prove,
    "openid": mapped.prove,
    "password": password.prove,
    "saml2": mapped.prove,
    "token": token.prove,
    "totp": totp.prove,
}


def method(name: str) -> Method:
    """The method of that name. Raises 401."""
    found = METHODS.get(name)
    if found is None:
        raise Unauthorized("Attempted to authenticate with an unsupported method.")
    return found
