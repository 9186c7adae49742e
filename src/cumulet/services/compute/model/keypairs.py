"""Key pairs: rules, key material and SQL. Private keys are made, handed out once and never kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy import and_, func, select
from sqlalchemy.exc import IntegrityError

from cumulet.db import Page, Transaction, paged, select_as
from cumulet.db.paging import MarkerNotFound
from cumulet.http.faults import BadRequest, Conflict, NotAllowed, NotFound
from cumulet.services.compute.tables import KeypairRow, keypairs

if TYPE_CHECKING:
    from cumulet.services.compute.model.key_material import Material


def create(tx: Transaction, user_id: str, name: str, material: Material, limit: int) -> KeypairRow:
    """Keep a public key under `name`. Raises 409 for a name that is taken, 403 beyond `limit` keys (-1: none)."""
    used = int(tx.scalar(select(func.count()).select_from(keypairs).where(keypairs.c.user_id == user_id)) or 0)
    if 0 <= limit <= used:
        raise NotAllowed("Quota exceeded, too many key pairs.")
    row = {"user_id": user_id, "name": name, "type": material.type, "fingerprint": material.fingerprint}
    try:
        tx.insert(keypairs, {**row, "public_key": material.public_key, "created_at": tx.now})
    except IntegrityError:
        raise Conflict(f"Key pair '{name}' already exists.") from None
    return get(tx, user_id, name)


def find(tx: Transaction, user_id: str, name: str) -> KeypairRow | None:
    """A user's key of this name."""
    return tx.row(select_as(KeypairRow).where(keypairs.c.user_id == user_id, keypairs.c.name == name))


def get(tx: Transaction, user_id: str, name: str) -> KeypairRow:
    """As `find`. Raises 404."""
    row = find(tx, user_id, name)
    if row is None:
        raise NotFound(f"Keypair {name} not found for user {user_id}")
    return row


def listed(tx: Transaction, user_id: str, limit: int | None, marker: str | None) -> Sequence[KeypairRow]:
    """A user's keys by name. Raises 400 for the marker."""
    if marker is not None and find(tx, user_id, marker) is None:
        raise BadRequest(f"Marker {marker} could not be found.")
    query = select_as(KeypairRow).where(keypairs.c.user_id == user_id)
    if marker is not None:
        query = query.where(keypairs.c.name > marker)
    try:
        return paged(tx, query, {}, Page(limit), keypairs.c.name, query)
    except MarkerNotFound:  # the marker is looked up above: names are unique per user only
        return []


def delete(tx: Transaction, user_id: str, name: str) -> None:
    """Forget a key; servers keep their copy. Raises 404."""
    if not tx.delete(keypairs, and_(keypairs.c.user_id == user_id, keypairs.c.name == name)):
        raise NotFound(f"Keypair {name} not found for user {user_id}")
