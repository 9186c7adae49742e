"""What a token that stands for a delegation may not do: reach the secrets and the delegations of its user.

An application credential, a trust, an OAuth access token and an EC2 credential each give a part of what a user may
do. Were a token of one allowed to make, read or change another, that part would grow into the whole, and outlive what
it was given for (OSSA-2020-004, OSSA-2026-005).
"""

from __future__ import annotations

from cumulet.auth import Caller
from cumulet.http.faults import NotAllowed

PRIMARY = frozenset({"external", "kerberos", "mapped", "openid", "password", "saml2", "token", "totp", "x509"})
_PERFORM = "You are not authorized to perform the requested action: "


def by_method(caller: Caller) -> bool:
    """Whether the caller has proven itself by a delegated secret; one without any method has, for all we know."""
    return not caller.methods or not PRIMARY.issuperset(caller.methods)


def by_trust(caller: Caller) -> bool:
    """Whether the caller's token is scoped to a trust."""
    return bool(caller.token is not None and caller.token.facts.trust_id)


def refuse(caller: Caller, words: str) -> None:
    """Raise 403 with `words` for any delegation."""
    if by_trust(caller) or by_method(caller):
        raise NotAllowed(words)


def refuse_credentials(caller: Caller) -> None:
    """Raise 403 when a delegation asks for credentials."""
    refuse(caller, f"{_PERFORM}Delegated tokens cannot access credentials directly.")


def refuse_access_tokens(caller: Caller) -> None:
    """Raise 403 when a delegation asks for OAuth's access tokens."""
    refuse(caller, "Cannot manage OAuth access tokens with a token issued via delegation.")


def refuse_application_credentials(caller: Caller) -> None:
    """Raise 403 when a delegation other than an application credential asks for application credentials."""
    if "application_credential" not in caller.methods:
        refuse(caller, "Cannot manage application credentials with a token issued via delegation.")


def refuse_trusts(caller: Caller) -> None:
    """Raise 403 when a delegation other than a trust asks for trusts: with a trust one may delegate further."""
    if by_method(caller):
        raise NotAllowed(f"{_PERFORM}Delegated tokens cannot manage trusts.")
