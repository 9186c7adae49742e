"""Identity providers, the ids they call themselves by, and their protocols.

An identity provider owns a domain for its users: one that it is given, or one made with it. Deleting it, or one of
its protocols, ends what it said about users; a user who came from nowhere else goes with it.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, select
from sqlalchemy.exc import IntegrityError

from cumulet.db import Transaction, select_as
from cumulet.http.collections import Query
from cumulet.http.faults import BadRequest, NotFound
from cumulet.services.identity.model import federated_users, generation, lookups
from cumulet.services.identity.model import projects as domains
from cumulet.services.identity.model.filters import listed
from cumulet.services.identity.model.mappings import check_id
from cumulet.services.identity.tables import (
    DomainRow,
    FederationProtocolRow,
    IdentityProviderRow,
    MappingRow,
    expiring_memberships,
    federation_protocols,
    identity_provider_remote_ids,
    identity_providers,
)
from cumulet.services.identity.tables import federated_users as table

COLUMNS = {"id": identity_providers.c.id, "enabled": identity_providers.c.enabled}
MINUTE = 60_000_000

Shown = tuple[IdentityProviderRow, list[str]]


def browse(tx: Transaction, query: Query) -> list[Shown]:
    """Identity providers that fit `query`. Two queries, three with a marker."""
    return _with_remote_ids(tx, listed(tx, select_as(IdentityProviderRow), query, COLUMNS))


def show(tx: Transaction, idp_id: str) -> Shown:
    """An identity provider. Raises 404. Two queries."""
    return _with_remote_ids(tx, [lookups.get(tx, IdentityProviderRow, idp_id)])[0]


def _with_remote_ids(tx: Transaction, rows: Sequence[IdentityProviderRow]) -> list[Shown]:
    found: dict[str, list[str]] = {row.id: [] for row in rows}
    remote = identity_provider_remote_ids
    for each in tx.rows(select(remote).where(remote.c.idp_id.in_(found)).order_by(remote.c.remote_id)):
        found[each.idp_id].append(each.remote_id)
    return [(row, found[row.id]) for row in rows]


def create(tx: Transaction, idp_id: str, fields: Mapping[str, Any]) -> Shown:
    """A new identity provider, disabled unless said otherwise. Raises 400, 404 for the domain, 409."""
    check_id(idp_id)
    values = {**fields, "id": idp_id}
    remote_ids = values.pop("remote_ids", None) or []
    if values.get("domain_id"):
        lookups.get(tx, DomainRow, values["domain_id"])
    else:
        values["domain_id"] = _own_domain(tx, idp_id)
    lookups.insert(tx, identity_providers, values, lookups.conflict("identity_provider", f"Duplicate entry: {idp_id}"))
    _call(tx, idp_id, remote_ids)
    return show(tx, idp_id)


def _own_domain(tx: Transaction, idp_id: str) -> str:
    description = f"Auto generated federated domain for Identity Provider: {idp_id}"
    name = {"name": uuid.uuid4().hex, "description": description, "enabled": True, "is_domain": True}
    row, _tags = domains.create(tx, name, ())
    return str(row.id)


def _call(tx: Transaction, idp_id: str, remote_ids: Sequence[str]) -> None:
    """Write the remote ids. Raises 400, 409."""
    if len(set(remote_ids)) != len(remote_ids):
        raise BadRequest(f"Invalid input for field 'remote_ids': {list(remote_ids)!r} has non-unique elements")
    remote = identity_provider_remote_ids
    theirs = tx.row(select(remote.c.remote_id).where(remote.c.remote_id.in_(remote_ids)))
    if theirs is not None:
        raise lookups.conflict("identity_provider", f"Duplicate remote ID: {theirs.remote_id}")
    rows = [{"idp_id": idp_id, "remote_id": each} for each in remote_ids]
    try:
        tx.insert(remote, rows)
    except IntegrityError:  # another controller was faster
        raise lookups.conflict("identity_provider", f"Duplicate remote ID: {', '.join(remote_ids)}") from None


def update(tx: Transaction, idp_id: str, fields: Mapping[str, Any]) -> Shown:
    """Change an identity provider; tokens of its users end while it is disabled. Raises 400, 404, 409."""
    lookups.get(tx, IdentityProviderRow, idp_id)
    values = dict(fields)
    if not values:
        raise BadRequest("Invalid input for field 'identity_provider': {} does not have enough properties")
    if "remote_ids" in values:
        tx.delete(identity_provider_remote_ids, identity_provider_remote_ids.c.idp_id == idp_id)
        _call(tx, idp_id, values.pop("remote_ids") or [])
    if values:
        tx.update(identity_providers, identity_providers.c.id == idp_id, **values)
    if "authorization_ttl" in values:
        until = expiring_memberships.c.verified_at + (values["authorization_ttl"] or 0) * MINUTE
        tx.update(expiring_memberships, expiring_memberships.c.idp_id == idp_id, expires_at=until)
    generation.bump(tx)
    return show(tx, idp_id)


def delete(tx: Transaction, idp_id: str) -> None:
    """Delete an identity provider with its protocols; its domain stays. Raises 404."""
    lookups.get(tx, IdentityProviderRow, idp_id)
    federated_users.forget_providers(tx, identity_providers.c.id == idp_id)
    generation.bump(tx)


def protocols(tx: Transaction, idp_id: str) -> Sequence[FederationProtocolRow]:
    """The protocols of an identity provider. One query."""
    wanted = select_as(FederationProtocolRow).where(federation_protocols.c.idp_id == idp_id)
    return tx.rows(wanted.order_by(federation_protocols.c.id))


def find_protocol(tx: Transaction, idp_id: str, protocol_id: str) -> FederationProtocolRow | None:
    """A protocol, or None. One query."""
    return tx.row(select_as(FederationProtocolRow).where(_is(idp_id, protocol_id)))


def protocol(tx: Transaction, idp_id: str, protocol_id: str) -> FederationProtocolRow:
    """A protocol. Raises 404. One query."""
    row = find_protocol(tx, idp_id, protocol_id)
    if row is None:
        raise NotFound(f"Could not find federated protocol {protocol_id} for Identity Provider: {idp_id}.")
    return row


def add_protocol(tx: Transaction, idp_id: str, protocol_id: str, fields: Mapping[str, Any]) -> FederationProtocolRow:
    """A new protocol. Raises 400 for the mapping, 404 for the identity provider, 409."""
    check_id(protocol_id)
    _check_mapping(tx, fields["mapping_id"])
    lookups.get(tx, IdentityProviderRow, idp_id)
    row = {**fields, "idp_id": idp_id, "id": protocol_id}
    taken = lookups.conflict("federation_protocol", f"Duplicate entry found with ID {protocol_id}")
    lookups.insert(tx, federation_protocols, row, taken)
    return protocol(tx, idp_id, protocol_id)


def change_protocol(tx: Transaction, idp_id: str, protocol_id: str, fields: Mapping[str, Any]) -> FederationProtocolRow:
    """Give a protocol another mapping. Raises 400 for the mapping, 404."""
    _check_mapping(tx, fields["mapping_id"])
    protocol(tx, idp_id, protocol_id)
    tx.update(federation_protocols, _is(idp_id, protocol_id), **fields)
    return protocol(tx, idp_id, protocol_id)


def remove_protocol(tx: Transaction, idp_id: str, protocol_id: str) -> None:
    """Delete a protocol. Raises 404."""
    protocol(tx, idp_id, protocol_id)
    federated_users.forget(tx, (table.c.idp_id == idp_id) & (table.c.protocol_id == protocol_id))
    tx.delete(federation_protocols, _is(idp_id, protocol_id))
    generation.bump(tx)


def _is(idp_id: str, protocol_id: str) -> ColumnElement[bool]:
    return (federation_protocols.c.idp_id == idp_id) & (federation_protocols.c.id == protocol_id)


def _check_mapping(tx: Transaction, mapping_id: str) -> None:
    if lookups.find(tx, MappingRow, mapping_id) is None:
        raise BadRequest(f"Invalid mapping id: {mapping_id}")
