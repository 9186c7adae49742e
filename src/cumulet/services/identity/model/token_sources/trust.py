"""Tokens for a trust: what a trustor hands on to a trustee, for as long as the trustor has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select

from cumulet.auth import Unauthenticated
from cumulet.db import Transaction
from cumulet.http.faults import NotAllowed
from cumulet.services.identity.model import snapshot, trusts
from cumulet.services.identity.model.payloads import Facts, Payload
from cumulet.services.identity.model.token_sources import Delegation, Scoped
from cumulet.services.identity.tables import TrustRow, projects, trust_roles, users

_domains = projects.alias("domains")


def scope(tx: Transaction, user_id: str, trust_id: str) -> Scoped:
    """The scope of a token for the trust, of which it takes a use; `user_id` is who asks. Raises `Unauthenticated`, 403
    for who is not the trustee, and for a trust that no longer gives what it was made for."""
    row = trusts.find(tx, trust_id)
    if row is None:
        raise Unauthenticated(f"Could not find trust: {trust_id}.")
    if row.trustee_user_id != user_id:
        raise NotAllowed("User is not a trustee.")
    chain = trusts.chain(tx, trust_id)
    if not _agents_live(tx, chain):
        raise NotAllowed("Trustor is disabled.")
    if _role_ids(tx, chain) is None:
        raise NotAllowed("Trustee has no delegated roles.")
    if not trusts.consume(tx, row):
        raise Unauthenticated(f"Could not find trust: {trust_id}.")
    trustor_epoch = tx.scalar(select(users.c.epoch).where(users.c.id == row.trustor_user_id))
    more: dict[str, Any] = {"facts": Facts(trust_id=row.id), "behind_epoch": trustor_epoch}
    if row.expires_at is not None:
        more["expires_at"] = row.expires_at // 1_000_000
    if row.project_id is None:
        return Scoped(**more)
    epoch = tx.scalar(select(projects.c.epoch).where(projects.c.id == row.project_id))
    return Scoped("project", row.project_id, epoch, **more)


def hold(tx: Transaction, payload: Payload) -> Delegation:
    """What the token of `payload` is worth now. Raises `Unauthenticated`. Six queries, however long the chain."""
    chain = trusts.chain(tx, payload.facts.trust_id)
    if not chain or any(row.expires_at is not None and row.expires_at <= tx.now for row in chain):
        raise Unauthenticated
    row = chain[0]
    if row.trustee_user_id != payload.user_id or (row.project_id or "") != payload.target:
        raise Unauthenticated
    role_ids = _role_ids(tx, chain)
    if role_ids is None or not _agents_live(tx, chain):
        raise Unauthenticated
    body = {
        "id": row.id,
        "impersonation": row.impersonation,
        "trustor_user": {"id": row.trustor_user_id},
        "trustee_user": {"id": row.trustee_user_id},
    }
    return Delegation(
        role_ids=role_ids,
        body={"OS-TRUST:trust": body},
        behind=row.trustor_user_id,
        acts_as_behind=bool(row.impersonation),
    )


def _role_ids(tx: Transaction, chain: Sequence[TrustRow]) -> list[str] | None:
    """The roles of the trust; None when the first trustor of the chain has lost one of them, or one they imply."""
    given = [row.role_id for row in tx.rows(select(trust_roles.c.role_id).where(trust_roles.c.trust_id == chain[0].id))]
    if chain[0].project_id is None:
        return []
    implied = snapshot.closure(tx)
    whole = {role_id for prior in given for role_id in (prior, *implied.get(prior, ()))}
    held = trusts.effective(tx, chain[-1].trustor_user_id, chain[0].project_id)
    return given if given and whole <= held else None


def _agents_live(tx: Transaction, chain: Sequence[TrustRow]) -> bool:
    """Whether all trustors and trustees are there and enabled, and their domains. One query."""
    agents = {user_id for row in chain for user_id in (row.trustor_user_id, row.trustee_user_id)}
    living = (
        select(func.count())
        .select_from(users.join(_domains, _domains.c.id == users.c.domain_id))
        .where(users.c.id.in_(agents), users.c.enabled, _domains.c.enabled)
    )
    return bool(tx.scalar(living) == len(agents))
