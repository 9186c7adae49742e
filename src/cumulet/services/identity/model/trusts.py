"""Trusts: a trustor hands some of its roles on a project to a trustee, who may hand them on if the trust says so.

A trust made from another is never more than that: fewer roles, an earlier end, less depth, and no impersonation where
the first had none. The roles of a whole chain are those of the first trustor, asked for again at every token.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import select

from cumulet.db import Transaction, select_as
from cumulet.http.collections import Query
from cumulet.http.faults import BadRequest, NotAllowed
from cumulet.services.identity.model import access, delegations, generation, lookups, snapshot
from cumulet.services.identity.model.filters import listed
from cumulet.services.identity.tables import ProjectRow, RoleRow, TrustRoleRow, TrustRow, roles, trust_roles, trusts

DEEPEST = 3  # Keystone's max_redelegation_count
COLUMNS = {
    "id": trusts.c.id,
    "trustor_user_id": trusts.c.trustor_user_id,
    "trustee_user_id": trusts.c.trustee_user_id,
}


class Found(Struct, frozen=True):
    """A trust with its roles."""

    row: TrustRow
    roles: Sequence[RoleRow]


def find(tx: Transaction, trust_id: str) -> TrustRow | None:
    """The row of a trust that is not over: neither expired nor used up. One query."""
    row = tx.row(select_as(TrustRow).where(trusts.c.id == trust_id))
    if row is None or (row.expires_at is not None and row.expires_at <= tx.now) or row.remaining_uses == 0:
        return None
    return row


def get(tx: Transaction, trust_id: str) -> TrustRow:
    """As `find`. Raises 404."""
    row = find(tx, trust_id)
    if row is None:
        raise lookups.missing("trust", trust_id)
    return row


def whole(tx: Transaction, row: TrustRow) -> Found:
    """The trust with its roles. One query."""
    wanted = select_as(RoleRow).join(trust_roles, trust_roles.c.role_id == roles.c.id)
    return Found(row, tx.rows(wanted.where(trust_roles.c.trust_id == row.id).order_by(roles.c.id)))


def browse(tx: Transaction, query: Query) -> Sequence[TrustRow]:
    """Trusts that fit `query`, those that are over among them. One query, two with a marker."""
    return listed(tx, select_as(TrustRow), query, COLUMNS)


def chain(tx: Transaction, trust_id: str) -> list[TrustRow]:
    """The trust and those it was redelegated from, the first one last. At most `DEEPEST` + 1 rows; one query."""
    step = trusts.c.id, trusts.c.redelegated_trust_id  # without JSON, which PostgreSQL cannot compare in a UNION
    above = select(*step).where(trusts.c.id == trust_id).cte("above", recursive=True)
    above = above.union(select(*step).join(above, trusts.c.id == above.c.redelegated_trust_id))
    rows = {row.id: row for row in tx.rows(select_as(TrustRow).where(trusts.c.id.in_(select(above.c.id))))}
    found: list[TrustRow] = []
    following: str | None = trust_id
    while following is not None and following in rows:
        found.append(rows.pop(following))
        following = found[-1].redelegated_trust_id
    return found


def create(tx: Transaction, fields: Mapping[str, Any], role_ids: Sequence[str], parent_id: str | None) -> Found:
    """A new trust. `fields`: columns, with ``allow_redelegation`` and ``redelegation_count`` as asked for. `parent_id`:
    the trust it is made from. Raises 400, 403, 404."""
    above = chain(tx, parent_id) if parent_id else []
    if parent_id and not above:
        raise lookups.missing("trust", parent_id)
    _check_roles(tx, fields, role_ids, above[-1].trustor_user_id if above else fields["trustor_user_id"])
    values = {**fields, "id": uuid.uuid4().hex, "redelegated_trust_id": parent_id}
    values["redelegation_count"] = _depth(values, above)
    del values["allow_redelegation"]
    given = _roles_of(tx, [parent.id for parent in above])
    for parent in above:
        _check_narrower(parent, values, set(role_ids) <= given.get(parent.id, set()))
    tx.insert(trusts, values)
    tx.insert(trust_roles, [{"trust_id": values["id"], "role_id": role_id} for role_id in role_ids])
    return whole(tx, get(tx, values["id"]))


def _check_roles(tx: Transaction, fields: Mapping[str, Any], role_ids: Sequence[str], trustor_id: str) -> None:
    held: Collection[str] = ()
    if fields["project_id"]:
        lookups.get(tx, ProjectRow, fields["project_id"])
        held = effective(tx, trustor_id, fields["project_id"])
    for role_id in role_ids:
        if role_id not in held:
            raise lookups.missing("role", role_id)


def effective(tx: Transaction, user_id: str, project_id: str) -> set[str]:
    """Ids of all roles that a user has on a project, implied and domain-specific ones too. Two queries."""
    implied = snapshot.closure(tx)
    held = access.project_roles(tx, user_id, project_id)
    return {role_id for prior in held for role_id in (prior, *implied.get(prior, ()))}


def _depth(values: Mapping[str, Any], above: Sequence[TrustRow]) -> int:
    """How often the new trust may be handed on. Raises 400, 403."""
    asked = values["redelegation_count"]
    if not values["allow_redelegation"] or asked == 0:
        return 0
    if asked is not None and asked > DEEPEST:
        raise NotAllowed(f"Requested redelegation depth of {asked} is greater than allowed {DEEPEST}")
    if values["remaining_uses"] is not None:
        raise BadRequest("remaining_uses must not be set if redelegation is allowed")
    if not above:
        return DEEPEST if asked is None else int(asked)
    left = int(above[0].redelegation_count) - 1
    if asked is not None and asked != left:
        raise NotAllowed(
            'Modifying "redelegation_count" upon redelegation is forbidden. Omitting this parameter is advised.'
        )
    return left


def _roles_of(tx: Transaction, trust_ids: Sequence[str]) -> dict[str, set[str]]:
    """Trust id → ids of its roles. One query, none for no trusts."""
    found: dict[str, set[str]] = {}
    if trust_ids:
        for row in tx.rows(select_as(TrustRoleRow).where(trust_roles.c.trust_id.in_(trust_ids))):
            found.setdefault(row.trust_id, set()).add(row.role_id)
    return found


def _check_narrower(parent: TrustRow, values: dict[str, Any], roles_fit: bool) -> None:
    """Raise 403 for what is more than `parent`; an end that was not asked for becomes the parent's."""
    if not 0 < parent.redelegation_count <= DEEPEST:
        raise NotAllowed(
            f"Remaining redelegation depth of {parent.redelegation_count} out of allowed range of [0..{DEEPEST}]"
        )
    if values["remaining_uses"] is not None:
        raise NotAllowed(
            f'Field "remaining_uses" is set to {values["remaining_uses"]} while it must not be set in order to '
            "redelegate a trust"
        )
    if values["expires_at"] is None:
        values["expires_at"] = parent.expires_at
    elif parent.expires_at is not None and parent.expires_at < values["expires_at"]:
        raise NotAllowed("Requested expiration time is more than redelegated trust can provide")
    if values["project_id"] != parent.project_id or not roles_fit:
        raise NotAllowed("Some of requested roles are not in redelegated trust")
    if values["impersonation"] and not parent.impersonation:
        raise NotAllowed(
            "Impersonation is not allowed because redelegated trust does not specify impersonation. Redelegated trust "
            f"id: {parent.id}"
        )


def consume(tx: Transaction, row: TrustRow) -> bool:
    """Take one use of a trust, where they are counted; False when none is left."""
    if row.remaining_uses is None:
        return True
    left = (trusts.c.id == row.id) & (trusts.c.remaining_uses > 0)
    return bool(tx.update(trusts, left, remaining_uses=trusts.c.remaining_uses - 1))


def delete(tx: Transaction, trust_id: str) -> None:
    """Delete a trust and all that were made from it, which ends their tokens."""
    delegations.forget_trusts(tx, trusts.c.id == trust_id)
    generation.bump(tx)
