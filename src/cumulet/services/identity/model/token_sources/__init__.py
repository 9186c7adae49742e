"""Kinds of tokens that are more, or less, than "this user, here": one module for each of `payloads.Facts`.

A token whose facts name a trust, an application credential, an access token of OAuth1 or an identity provider holds
only as long as that thing lives, has the roles that the thing gives, and tells about it in its body. `Tokens.describe`
asks the module of each fact:

    def hold(tx: Transaction, payload: Payload) -> Delegation

which raises `auth.Unauthenticated` when the thing is gone, expired, disabled or its owner has lost what it hands on.
It reads rows in `tx` and nothing else. `describe` itself has checked the token's user and, with `behind`, checks a
second one. The answer is remembered until the generation moves: so whatever changes or deletes such a thing calls
`generation.bump(tx)` in the same transaction, and every token made from it ends at once in every process. What ends by
time alone (a trust's expiry) must not outlive the token: give it as `Scoped.expires_at` or `Proof.expires_at`.

`trust.scope(tx, user_id, trust_id) -> Scoped` is what ``scope: {"OS-TRUST:trust": {"id": …}}`` asks for. It runs in a
writing transaction and counts a use of the trust there; `model/login.py` describes the new token in the same one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field

from cumulet.services.identity.model.payloads import PLAIN, Facts


class Scoped(Struct, frozen=True):
    """What a token shall be for. `scope`: one of `payloads.SCOPES`; `target`: the id of its project or domain and
    `epoch` that row's. `expires_at` (seconds) bounds the token's life. `facts`, `behind_epoch`: what a trust adds."""

    scope: str = "unscoped"
    target: str = ""
    epoch: int = 0
    expires_at: int | None = None
    facts: Facts = PLAIN
    behind_epoch: int = 0


class Delegation(Struct, frozen=True):
    """What a kind makes of a token that holds.

    `role_ids`: the roles there instead of the user's own (None: the user's own, with `Facts.groups`); `implied`:
    whether roles that these imply come with them. `body`: more keys of the token's body; `user_body`: more keys of
    its ``user``, where None takes a key away. `behind`: id of another user (a trustor) who has to be alive and of the
    epoch `payload.epochs[2]`; with `acts_as_behind` the token's user is that one. `access_rules`: what the token may be
    used for, as ``{"service", "method", "path"}`` (None: anything; an empty list of a credential means that too).
    """

    role_ids: list[str] | None = None
    implied: bool = True
    body: Mapping[str, Any] = field(default_factory=dict)
    user_body: Mapping[str, Any] = field(default_factory=dict)
    behind: str | None = None
    acts_as_behind: bool = False
    access_rules: tuple[Mapping[str, str], ...] | None = None


NOTHING = Delegation()
