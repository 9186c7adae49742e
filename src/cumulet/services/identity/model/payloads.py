"""What a token carries: a compact, signed statement of who, for what, until when. No roles, no names.

Knows nothing of rows: whether the statement still holds is decided in `model/tokens.py`.
"""

from __future__ import annotations

import base64
import binascii
import re
import secrets
from collections.abc import Iterable
from typing import Any

import msgspec
from cryptography.fernet import InvalidToken, MultiFernet
from msgspec import Struct

METHODS = (
    "external",
    "password",
    "token",
    "oauth1",
    "mapped",
    "application_credential",
    "totp",
    "openid",
    "saml2",
    "ec2credential",
)  # a token holds them as bits: append only
SCOPES = ("unscoped", "project", "domain", "system")

_FORM = 2
_HEX = re.compile(r"[0-9a-f]{32}")
_LONGEST = 4096  # a federated token names its groups


class Invalid(Exception):
    """Not a token of ours."""


class Facts(Struct, frozen=True):
    """What a token has been made by, beside its user: ids, empty for most tokens. Each has a module in
    `token_sources/`. `groups` are those that a mapping gave a federated user."""

    trust_id: str = ""
    application_credential_id: str = ""
    access_token_id: str = ""
    idp_id: str = ""
    protocol_id: str = ""
    groups: tuple[str, ...] = ()


PLAIN = Facts()


class Payload(Struct, frozen=True):
    """`scope` is one of `SCOPES`, `target` the id of its project or domain. `issued_at` and `expires_at` in seconds.
    `audit_ids`: the token's own and, after rescoping, that of the first of its chain. `epochs`: of the user, of
    the target and of the user behind a trust, when the token was issued."""

    user_id: str
    methods: tuple[str, ...]
    scope: str
    target: str
    issued_at: int
    expires_at: int
    audit_ids: tuple[str, ...]
    epochs: tuple[int, int, int]
    facts: Facts = PLAIN


class _Packed(msgspec.Struct, array_like=True):
    form: int
    user: Any  # bytes of 32 hex digits, or text
    methods: int
    scope: int
    target: Any
    expires_at: int
    audit_ids: list[bytes]
    user_epoch: int
    target_epoch: int
    behind_epoch: int = 0
    facts: tuple[Any, Any, Any, str, str, tuple[Any, ...]] | None = None


_decoder = msgspec.msgpack.Decoder(_Packed)
_encoder = msgspec.msgpack.Encoder()


def bits(methods: Iterable[str]) -> int:
    """Methods as one number."""
    return sum(1 << METHODS.index(name) for name in set(methods))


def names(packed: int) -> tuple[str, ...]:
    """The methods in a number, in the order of `METHODS`."""
    return tuple(name for bit, name in enumerate(METHODS) if packed >> bit & 1)


def audit_id() -> str:
    """A fresh audit id: 16 random bytes as URL-safe text."""
    return _text(secrets.token_bytes(16))


def seal(box: MultiFernet, payload: Payload) -> str:
    """The token for `payload`."""
    packed = _Packed(
        form=_FORM,
        user=_small(payload.user_id),
        methods=bits(payload.methods),
        scope=SCOPES.index(payload.scope),
        target=_small(payload.target),
        expires_at=payload.expires_at,
        audit_ids=[base64.urlsafe_b64decode(each + "==") for each in payload.audit_ids],
        user_epoch=payload.epochs[0],
        target_epoch=payload.epochs[1],
        behind_epoch=payload.epochs[2],
        facts=None if payload.facts == PLAIN else _packed_facts(payload.facts),
    )
    sealed = box.encrypt_at_time(_encoder.encode(packed), payload.issued_at)
    return sealed.rstrip(b"=").decode()


def unseal(box: MultiFernet, token: str) -> Payload:
    """The payload of `token`. Raises `Invalid` when it is not signed by one of our keys."""
    if len(token) > _LONGEST or not token.isascii():
        raise Invalid
    padded = token.encode() + b"=" * (-len(token) % 4)
    try:
        packed = _decoder.decode(box.decrypt(padded))
        issued_at = box.extract_timestamp(padded)
        if packed.form != _FORM:
            raise Invalid
        return Payload(
            user_id=_large(packed.user),
            methods=names(packed.methods),
            scope=SCOPES[packed.scope],
            target=_large(packed.target),
            issued_at=issued_at,
            expires_at=packed.expires_at,
            audit_ids=tuple(_text(each) for each in packed.audit_ids),
            epochs=(packed.user_epoch, packed.target_epoch, packed.behind_epoch),
            facts=PLAIN if packed.facts is None else _unpacked_facts(packed.facts),
        )
    except (InvalidToken, msgspec.MsgspecError, binascii.Error, IndexError, ValueError):
        raise Invalid from None


def _packed_facts(facts: Facts) -> tuple[Any, Any, Any, str, str, tuple[Any, ...]]:
    ids = [_small(each) for each in (facts.trust_id, facts.application_credential_id, facts.access_token_id)]
    return ids[0], ids[1], ids[2], facts.idp_id, facts.protocol_id, tuple(map(_small, facts.groups))


def _unpacked_facts(packed: tuple[Any, Any, Any, str, str, tuple[Any, ...]]) -> Facts:
    trust, credential, access_token, idp, protocol, groups = packed
    ids = _large(trust), _large(credential), _large(access_token)
    return Facts(*ids, idp, protocol, tuple(map(_large, groups)))


def _small(identifier: str) -> bytes | str:
    return bytes.fromhex(identifier) if _HEX.fullmatch(identifier) else identifier


def _large(packed: Any) -> str:
    return packed.hex() if isinstance(packed, bytes) else str(packed)


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
