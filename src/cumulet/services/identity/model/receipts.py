"""Receipts: what a login that needs a further method gets, so that the methods it did prove need not be sent again.

A receipt is sealed with keys of its own, lives for minutes, and is worth nothing but together with a proof of the
same user by another method. Which rule is fulfilled is looked at again each time.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec
from cryptography.fernet import InvalidToken, MultiFernet
from msgspec import Struct

from cumulet.db import iso
from cumulet.http.faults import Unauthorized
from cumulet.services.identity.model import payloads
from cumulet.services.identity.tables import NamedUserRow

LIFE_S = 300
HEADER = "openstack-auth-receipt"
_SECOND = 1_000_000
_LONGEST = 1024


class _Packed(msgspec.Struct, array_like=True):
    user_id: str
    methods: int
    expires_at: int


_decoder = msgspec.msgpack.Decoder(_Packed)


class Incomplete(Exception):
    """The proofs are right, and the user's rules want more of them. `receipt` is for the header, `body` tells which."""

    def __init__(self, receipt: str, body: dict[str, Any]) -> None:
        super().__init__("further methods are needed")
        self.receipt, self.body = receipt, body


class Missing(Struct, frozen=True):
    """What `enough` found: the rules, as far as there are such methods, one of which has to be fulfilled."""

    rules: list[list[str]]

    def required(self, methods: Collection[str]) -> list[list[str]]:
        """Those rules that what was proven is a part of."""
        return [rule for rule in self.rules if set(rule) & set(methods)]


def missing(options: dict[str, Any], methods: Collection[str], known: Collection[str]) -> Missing | None:
    """What the user's rules of multi-factor authentication want beside `methods`; None when that is enough. Methods
    that do not exist are left out of a rule, and rules of only such ones count for nothing, so that nobody is locked
    out by a slip, as in Keystone."""
    if not options.get("multi_factor_auth_enabled", True):
        return None
    usable = [[name for name in rule if name in known] for rule in options.get("multi_factor_auth_rules") or []]
    usable = [rule for rule in usable if rule]
    if not usable or any(set(rule) <= set(methods) for rule in usable):
        return None
    return Missing(usable)


def incomplete(
    box: MultiFernet, user: NamedUserRow, methods: tuple[str, ...], wanted: Missing, now_s: int
) -> Incomplete:
    """The answer to proofs that are not enough."""
    packed = _Packed(user.id, payloads.bits(methods), now_s + LIFE_S)
    sealed = box.encrypt_at_time(msgspec.msgpack.encode(packed), now_s).rstrip(b"=").decode()
    receipt = {
        "methods": list(methods),
        "user": {
            "id": user.id,
            "name": user.name,
            "domain": {"id": user.domain_id, "name": user.domain_name},
        },
        "expires_at": iso(packed.expires_at * _SECOND, micro=True),
        "issued_at": iso(now_s * _SECOND, micro=True),
    }
    return Incomplete(sealed, {"receipt": receipt, "required_auth_methods": wanted.required(methods)})


def methods_of(box: MultiFernet, receipt: str, user_id: str, now_s: int) -> tuple[str, ...]:
    """The methods that `receipt` stands for. Raises 401 when it is not ours, too old, or another user's."""
    try:
        if len(receipt) > _LONGEST:
            raise InvalidToken
        packed = _decoder.decode(box.decrypt(receipt.encode() + b"=" * (-len(receipt) % 4)))
    except (InvalidToken, msgspec.MsgspecError, ValueError):
        raise _unknown() from None
    if packed.expires_at <= now_s or packed.user_id != user_id:
        raise _unknown()
    return payloads.names(packed.methods)


def _unknown() -> Unauthorized:
    return Unauthorized("Could not find auth receipt.")
