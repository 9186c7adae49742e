"""Who a user is at identity providers, and what those said about the user's groups.

A user that an identity provider brought in has a row like any other, with `origin` FEDERATED and no password; a local
user may be known to identity providers too. Forgetting is set-based: a constant number of statements.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, not_, select

from cumulet.db import Transaction, select_as
from cumulet.db.in_list import in_list
from cumulet.http.collections import Query
from cumulet.http.faults import BadRequest
from cumulet.services.identity.model import delegations, lookups
from cumulet.services.identity.tables import (
    FEDERATED,
    FederatedUserRow,
    FederationProtocolRow,
    assignments,
    expiring_memberships,
    federated_users,
    federation_protocols,
    identity_provider_remote_ids,
    identity_providers,
    memberships,
    users,
)

FILTERS = ("idp_id", "protocol_id", "unique_id")

Objects = list[dict[str, Any]]
"""``[{"idp_id", "protocols": [{"protocol_id", "unique_id"}]}]``, as requests and answers have it."""


def condition(query: Query) -> ColumnElement[bool] | None:
    """The users whom the filters `FILTERS` of a list ask for; None when there is no such filter."""
    asked = [federated_users.c[name] == query[name][-1] for name in FILTERS if name in query]
    return users.c.id.in_(select(federated_users.c.user_id).where(*asked)) if asked else None


def of_users(tx: Transaction, ids: Collection[str]) -> dict[str, Objects]:
    """User id → what is federated of it, of those of whom something is. One query."""
    wanted = select_as(FederatedUserRow).where(in_list(federated_users.c.user_id, ids))
    found: dict[str, dict[str, list[dict[str, str]]]] = {}
    for row in tx.rows(wanted.order_by(federated_users.c.idp_id, federated_users.c.protocol_id)):
        protocols = found.setdefault(row.user_id, {}).setdefault(row.idp_id, [])
        protocols.append({"protocol_id": row.protocol_id, "unique_id": row.unique_id})
    return {
        user_id: [{"idp_id": idp_id, "protocols": protocols} for idp_id, protocols in each.items()]
        for user_id, each in found.items()
    }


def replace(tx: Transaction, user_id: str, objects: Sequence[Mapping[str, Any]], domain_id: str | None = None) -> None:
    """What is federated of a user from now on. Raises 400 for what does not exist, 409 for what is another's.

    `domain_id`: only identity providers of that domain are there. Whoever manages one domain would otherwise give his
    user the name that somebody of another has at her provider, and get her next login.
    """
    rows = [
        {"user_id": user_id, "idp_id": each["idp_id"], **protocol} for each in objects for protocol in each["protocols"]
    ]
    _check(tx, rows, domain_id)
    tx.delete(federated_users, federated_users.c.user_id == user_id)
    others = select_as(FederatedUserRow).where(in_list(federated_users.c.unique_id, [row["unique_id"] for row in rows]))
    keys = {(row.idp_id, row.protocol_id, row.unique_id) for row in tx.rows(others)} if rows else set()
    for row in rows:
        if _key(row) in keys:
            raise lookups.conflict("federated_user", "Duplicate entry")
        keys.add(_key(row))
    tx.insert(federated_users, rows)


def _key(row: Mapping[str, str]) -> tuple[str, str, str]:
    return row["idp_id"], row["protocol_id"], row["unique_id"]


def _check(tx: Transaction, rows: Sequence[Mapping[str, str]], domain_id: str | None) -> None:
    there = select(identity_providers.c.id)
    if domain_id is not None:
        there = there.where(identity_providers.c.domain_id == domain_id)
    idps = {row.id for row in tx.rows(there)}
    protocols = {(row.idp_id, row.id) for row in tx.rows(select_as(FederationProtocolRow))}
    for row in rows:
        if row["idp_id"] not in idps:
            raise BadRequest(f"Could not find Identity Provider: {row['idp_id']}")
        if (row["idp_id"], row["protocol_id"]) not in protocols:
            raise BadRequest(
                f"Could not find federated protocol {row['protocol_id']} for Identity Provider: {row['idp_id']}."
            )


def find(tx: Transaction, idp_id: str, protocol_id: str, unique_id: str) -> str | None:
    """The id of the user whom the identity provider calls `unique_id`. One query."""
    key = {"idp_id": idp_id, "protocol_id": protocol_id, "unique_id": unique_id}
    rows = tx.rows_by_key(federated_users, **key)
    return str(rows[0].user_id) if rows else None


def forget(tx: Transaction, where: ColumnElement[bool]) -> None:
    """Take away rows of `federated_users`, and users who were nothing else."""
    known = select(federated_users.c.user_id).where(where)
    elsewhere = select(federated_users.c.user_id).where(not_(where))
    gone = select(users.c.id).where(users.c.origin == FEDERATED, users.c.id.in_(known), users.c.id.not_in(elsewhere))
    tx.delete(expiring_memberships, expiring_memberships.c.user_id.in_(gone))
    tx.delete(memberships, memberships.c.user_id.in_(gone))
    tx.delete(assignments, and_(assignments.c.actor_type == "user", assignments.c.actor_id.in_(gone)))
    delegations.forget_users(tx, gone)
    tx.delete(users, users.c.id.in_(gone))
    tx.delete(federated_users, where)


def forget_users(tx: Transaction, ids: Select[Any]) -> None:
    """Take away what is federated of users who go themselves."""
    tx.delete(federated_users, federated_users.c.user_id.in_(ids))
    tx.delete(expiring_memberships, expiring_memberships.c.user_id.in_(ids))


def forget_providers(tx: Transaction, where: ColumnElement[bool]) -> None:
    """Delete the identity providers that fit, with all that hangs on them but their domains."""
    ids = select(identity_providers.c.id).where(where)
    forget(tx, federated_users.c.idp_id.in_(ids))
    tx.delete(expiring_memberships, expiring_memberships.c.idp_id.in_(ids))
    tx.delete(federation_protocols, federation_protocols.c.idp_id.in_(ids))
    tx.delete(identity_provider_remote_ids, identity_provider_remote_ids.c.idp_id.in_(ids))
    tx.delete(identity_providers, where)
