"""Policies: rules of other services, kept for them as text, and which endpoints each is for.

A policy is for an endpoint, for a service in a region (and the regions below), or for a service; the closest decides.
What is in a policy means nothing here: Cumulet's own rules are those of `auth`.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, select
from sqlalchemy.exc import IntegrityError

from cumulet.db import Transaction, select_as
from cumulet.http.collections import Query
from cumulet.http.faults import NotFound
from cumulet.services.identity.model import lookups
from cumulet.services.identity.model.filters import listed
from cumulet.services.identity.tables import (
    EndpointRow,
    PolicyAssociationRow,
    PolicyRow,
    endpoints,
    policies,
    policy_associations,
    regions,
)

COLUMNS = {"id": policies.c.id, "type": policies.c.type}
Ids = Sequence[str] | Select[Any]
_TARGETS = ("endpoint_id", "service_id", "region_id")


def browse(tx: Transaction, query: Query) -> Sequence[PolicyRow]:
    """Policies that fit `query`. One query, two with a marker."""
    return listed(tx, select_as(PolicyRow), query, COLUMNS)


def create(tx: Transaction, fields: Mapping[str, Any]) -> PolicyRow:
    """A new policy."""
    policy_id = uuid.uuid4().hex
    tx.insert(policies, {**fields, "id": policy_id})
    return lookups.get(tx, PolicyRow, policy_id)


def update(tx: Transaction, policy_id: str, fields: Mapping[str, Any]) -> PolicyRow:
    """Change a policy."""
    tx.update(policies, policies.c.id == policy_id, **fields)
    return lookups.get(tx, PolicyRow, policy_id)


def delete(tx: Transaction, policy_id: str) -> None:
    """Delete a policy with its associations."""
    tx.delete(policy_associations, policy_associations.c.policy_id == policy_id)
    tx.delete(policies, policies.c.id == policy_id)


def check_target(tx: Transaction, policy_id: str, target: Mapping[str, str]) -> None:
    """Raise 404 unless the policy and all that `target` names (``endpoint_id`` and so on) are there."""
    lookups.get(tx, PolicyRow, policy_id)
    for name, identifier in target.items():
        lookups.get(tx, lookups.KINDS[name.removesuffix("_id")], identifier)


def associate(tx: Transaction, policy_id: str, target: Mapping[str, str]) -> None:
    """The policy is the one for `target`, in place of any other."""
    tx.delete(policy_associations, _is(target))
    row = {**dict.fromkeys(_TARGETS, ""), **target, "policy_id": policy_id}
    try:
        tx.insert(policy_associations, row)
    except IntegrityError:
        raise lookups.conflict("policy_association", "Duplicate entry") from None


def check(tx: Transaction, policy_id: str, target: Mapping[str, str]) -> None:
    """Raise 404 unless the policy is the one for `target`."""
    where = and_(_is(target), policy_associations.c.policy_id == policy_id)
    if tx.row(select_as(PolicyAssociationRow).where(where)) is None:
        raise NotFound("Could not find policy association.")


def dissociate(tx: Transaction, policy_id: str, target: Mapping[str, str]) -> None:
    """The policy is for `target` no longer; it need not have been."""
    tx.delete(policy_associations, and_(_is(target), policy_associations.c.policy_id == policy_id))


def for_endpoint(tx: Transaction, endpoint: EndpointRow) -> PolicyRow:
    """The policy for an endpoint. Raises 404. Three queries."""
    wanted = select_as(PolicyAssociationRow).where(
        (policy_associations.c.endpoint_id == endpoint.id) | (policy_associations.c.service_id == endpoint.service_id)
    )
    found = {(row.endpoint_id, row.region_id): row.policy_id for row in tx.rows(wanted)}
    closest = [(endpoint.id, ""), *(("", region_id) for region_id in _upwards(tx, endpoint.region_id)), ("", "")]
    policy_id = next((found[key] for key in closest if key in found), None)
    if policy_id is None:
        raise NotFound(f"No policy is associated with endpoint {endpoint.id}.")
    return lookups.get(tx, PolicyRow, policy_id)


def endpoints_of(tx: Transaction, policy_id: str) -> list[EndpointRow]:
    """Endpoints that the policy has been associated with in any way. Three queries."""
    parents = _parents(tx)
    every = tx.rows(select_as(EndpointRow).order_by(endpoints.c.id))
    targets = tx.rows(select_as(PolicyAssociationRow).where(policy_associations.c.policy_id == policy_id))
    ids = {row.endpoint_id for row in targets if row.endpoint_id}
    pairs = {(row.service_id, row.region_id) for row in targets if not row.endpoint_id}
    return [
        row
        for row in every
        if row.id in ids or any((row.service_id, at) in pairs for at in ("", *_above(parents, row.region_id)))
    ]


def forget(tx: Transaction, *, endpoint_ids: Ids = (), service_ids: Ids = (), region_ids: Ids = ()) -> None:
    """Endpoints, services and regions go, and with them what is associated with them."""
    columns = policy_associations.c
    for column, ids in (
        (columns.endpoint_id, endpoint_ids),
        (columns.service_id, service_ids),
        (columns.region_id, region_ids),
    ):
        if isinstance(ids, Select) or ids:
            tx.delete(policy_associations, column.in_(ids))


def _is(target: Mapping[str, str]) -> ColumnElement[bool]:
    return and_(*(policy_associations.c[name] == target.get(name, "") for name in _TARGETS))


def _parents(tx: Transaction) -> dict[str, str | None]:
    return {row.id: row.parent_region_id for row in tx.rows(select(regions.c.id, regions.c.parent_region_id))}


def _upwards(tx: Transaction, region_id: str | None) -> list[str]:
    return _above(_parents(tx), region_id) if region_id is not None else []


def _above(parents: Mapping[str, str | None], region_id: str | None) -> list[str]:
    """The region and those above it, from the bottom. Ends in a circle, too."""
    found: list[str] = []
    while region_id is not None and region_id not in found:
        found.append(region_id)
        region_id = parents.get(region_id)
    return found
