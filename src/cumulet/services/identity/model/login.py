"""From proofs to a token: who is it, what for, and for how long.

`methods/` proves, `scopes` settles what for, `Tokens.describe` with `token_sources/` says what the new token is worth:
it is issued only when that is something. Hashing happens outside every transaction. Every refusal is the same 401.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from cumulet.auth import Unauthenticated
from cumulet.db import Transaction, select_as
from cumulet.http.faults import BadRequest, NotAllowed, Unauthorized
from cumulet.services.identity.model import payloads, receipts, scopes
from cumulet.services.identity.model.methods import Attempt, Proof
from cumulet.services.identity.model.methods.registry import METHODS, method
from cumulet.services.identity.model.payloads import PLAIN, Facts, Payload
from cumulet.services.identity.model.token_sources import Scoped
from cumulet.services.identity.model.tokens import REFUSED, Record
from cumulet.services.identity.tables import NamedUserRow, projects, users
from cumulet.services.identity.wire import tokens as wire

_domains = projects.alias("domains")

Asked = wire.Scope | str | UnsetType


def log_in(attempt: Attempt, auth: wire.Auth) -> tuple[str, Record]:
    """A token for `auth`, and its record. Raises `Unauthenticated`, 400 for a malformed request."""
    return issue(attempt, prove(attempt, auth.identity), auth.scope)


def prove(attempt: Attempt, identity: wire.Identity) -> dict[str, Proof]:
    """The proof of each method of the request, in its order."""
    names = list(dict.fromkeys(identity.methods))
    if not names:
        raise BadRequest("Invalid input for field 'identity/methods': [] is too short")
    blocks = []
    for name in names:
        proves, block = method(name), getattr(identity, name)
        if isinstance(block, UnsetType):
            raise BadRequest(scopes.expecting(name, "identity"))
        blocks.append((name, proves, block))
    found: dict[str, Proof] = {}
    for name, proves, block in blocks:
        found[name] = proves(attempt, block)
        attempt = replace(attempt, proven=(*attempt.proven, found[name].user_id))
    return found


def issue(attempt: Attempt, proofs: dict[str, Proof], asked: Asked = UNSET) -> tuple[str, Record]:
    """A token for who has given `proofs` (method → proof), for what was `asked`. Raises `Unauthenticated`, 400, 403."""
    found = list(proofs.values())
    if len({proof.user_id for proof in found}) != 1:
        raise Unauthenticated(REFUSED)
    tokens, db = attempt.context.tokens, attempt.db
    settles = [proof.settle for proof in found if proof.settle]
    opened: AbstractContextManager[Transaction] = db.transaction() if settles or scopes.writes(asked) else db.read()
    with opened as tx:
        payload = _payload(tx, attempt, proofs, asked)
        for settle in settles:
            settle(tx)
        record = tokens.describe(tx, payload)
    return payloads.seal(tokens.keys.box(), payload), record


def _payload(tx: Transaction, attempt: Attempt, proofs: dict[str, Proof], asked: Asked) -> Payload:
    found = list(proofs.values())
    user = _user(tx, found[0].user_id)
    _check_user(tx, attempt, user, found)
    now_s = int(time.time())
    methods = _methods(attempt, user, proofs, now_s)
    facts = _facts(found)
    scoped = _scope(tx, user, proofs, asked, facts.groups)
    ends = [proof.expires_at for proof in found] + [scoped.expires_at]
    parent = next((proof.parent for proof in found if proof.parent is not None), None)
    return Payload(
        user_id=user.id,
        methods=methods,
        scope=scoped.scope,
        target=scoped.target,
        issued_at=now_s,
        expires_at=min([now_s + attempt.context.tokens.life_s, *(end for end in ends if end is not None)]),
        audit_ids=(payloads.audit_id(), *((parent.audit_ids[-1],) if parent else ())),
        epochs=(user.epoch, scoped.epoch, scoped.behind_epoch),
        facts=replace(facts, trust_id=scoped.facts.trust_id) if scoped.facts != PLAIN else facts,
    )


def _user(tx: Transaction, user_id: str) -> NamedUserRow:
    joined = select_as(NamedUserRow, users, _domains.c.name.label("domain_name")).join(
        _domains, _domains.c.id == users.c.domain_id
    )
    user = tx.row(joined.where(users.c.id == user_id))
    if user is None:
        raise Unauthenticated(REFUSED)
    return user


def _methods(attempt: Attempt, user: NamedUserRow, proofs: dict[str, Proof], now_s: int) -> tuple[str, ...]:
    """All methods that stand behind the proofs, those of a receipt included. Raises `receipts.Incomplete` when the
    user's rules want more."""
    used = {*proofs, *(name for proof in proofs.values() for name in proof.methods)}
    box = attempt.context.receipt_keys.box()
    if receipt := attempt.headers.get(receipts.HEADER):
        used.update(receipts.methods_of(box, receipt, user.id, now_s))
    methods = tuple(name for name in payloads.METHODS if name in used)
    if "ec2credential" in proofs:  # a signature is all that a service has got: no second factor, as in Keystone
        return methods
    wanted = receipts.missing(user.options, methods, METHODS)
    if wanted is not None:
        raise receipts.incomplete(box, user, methods, wanted, now_s)
    return methods


def _check_user(tx: Transaction, attempt: Attempt, user: NamedUserRow, found: Sequence[Proof]) -> None:
    """Refuse when the password has changed since it was checked, or has expired, or the user was away for too long."""
    if attempt.context.password_rules.inactive(user, tx.now):
        raise Unauthenticated(REFUSED)
    hashes = [proof.password_hash for proof in found if proof.password_hash is not None]
    if any(hashed != user.password_hash for hashed in hashes):
        raise Unauthenticated(REFUSED)
    spared = user.options.get("ignore_password_expiry")
    if hashes and not spared and user.password_expires_at is not None and user.password_expires_at <= tx.now:
        raise Unauthorized(f"The password is expired and needs to be changed for user: {user.id}.")


def _facts(found: Sequence[Proof]) -> Facts:
    """The facts of all proofs, of which one at most may have any."""
    given = {proof.facts for proof in found if proof.facts != PLAIN}
    if len(given) > 1:
        raise Unauthenticated(REFUSED)
    return given.pop() if given else PLAIN


def _scope(
    tx: Transaction, user: NamedUserRow, proofs: dict[str, Proof], asked: Asked, groups: tuple[str, ...]
) -> Scoped:
    """What the proofs fix, or else what was asked for."""
    fixed = [(name, proof.scope) for name, proof in proofs.items() if proof.scope is not None]
    if fixed:
        name, scope = fixed[0]
        if name == "application_credential" and asked is not UNSET:
            raise Unauthorized(
                "Error authenticating with application credential: Application credentials cannot request a scope."
            )
        assert scope is not None
        return scope
    parent = next((proof.parent for proof in proofs.values() if proof.parent is not None), None)
    narrower = isinstance(asked, wire.Scope) and (asked.project is not UNSET or asked.domain is not UNSET)
    if parent is not None and parent.scope == "system" and narrower:
        raise NotAllowed(
            "Using a system-scoped token to create a project-scoped or domain-scoped token is not allowed."
        )
    if asked is UNSET and any(proof.facts.idp_id for proof in proofs.values()):
        return Scoped()  # a federated user starts unscoped
    return scopes.settled(tx, user, asked, groups)
