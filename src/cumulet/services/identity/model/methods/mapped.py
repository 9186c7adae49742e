"""By what an identity provider asserts, through its mapping (`mapped`, `openid`, `saml2`).

An assertion is put into the attempt by federation's own operation, after its signature was checked; nothing that a
client writes into the request itself, be it a body or a header, is ever taken for one.
"""

from __future__ import annotations

from msgspec import UnsetType

from cumulet.auth import Unauthenticated
from cumulet.db import Transaction, select_as
from cumulet.http.faults import NotAllowed, Unauthorized
from cumulet.services.identity.model import identity_providers, mapping_rules, password_rules, shadow_users
from cumulet.services.identity.model.mapping_rules import Assertion, Mapped, Unmapped
from cumulet.services.identity.model.methods import Attempt, Proof
from cumulet.services.identity.model.payloads import Facts
from cumulet.services.identity.tables import IdentityProviderRow, MappingRow, federation_protocols, mappings
from cumulet.services.identity.wire import tokens as wire

REMOTE_ID_ATTRIBUTE = "HTTP_OIDC_ISS"


def prove(attempt: Attempt, block: wire.Asserted) -> Proof:
    """The user whom the mapping makes of the assertion. Raises 401, 403, 404."""
    if isinstance(block.identity_provider, UnsetType) or isinstance(block.protocol, UnsetType):
        raise Unauthorized("An identity provider and a protocol are needed.")
    if attempt.assertion is None:
        raise Unauthorized("Only an identity provider may say so, through its protocol's own URL.")
    idp_id, protocol_id = block.identity_provider, block.protocol
    with attempt.db.read() as tx:
        idp = provider(tx, idp_id, protocol_id, attempt.assertion)
        mapping = _mapping(tx, idp_id, protocol_id)
    try:
        mapped = mapping_rules.apply(mapping.id, mapping.rules, mapping.schema_version, attempt.assertion)
    except Unmapped as reason:
        raise Unauthorized(str(reason)) from None
    if mapped.user["type"] == "local":
        with attempt.db.read() as tx:
            local = shadow_users.local_user(tx, mapped.user)
        return Proof(local, settle=lambda tx: password_rules.active_today(tx, local))
    entrant = shadow_users.Entrant(
        idp, protocol_id, mapping.id, mapping.schema_version, _named(mapped, attempt.assertion)
    )
    user_id, groups = shadow_users.admit(attempt.db, entrant)
    facts = Facts(idp_id=idp_id, protocol_id=protocol_id, groups=groups)
    return Proof(user_id, facts=facts, settle=lambda tx: password_rules.active_today(tx, user_id))


def provider(tx: Transaction, idp_id: str, protocol_id: str, assertion: Assertion | None) -> IdentityProviderRow:
    """The identity provider, which is enabled and, by its remote ids, the one that asserts (None: not asked yet).
    Raises 401, 403, 404."""
    idp, remote_ids = identity_providers.show(tx, idp_id)
    protocol = identity_providers.protocol(tx, idp_id, protocol_id)
    if not idp.enabled:
        raise NotAllowed(f"Identity Provider {idp_id} is disabled")
    if remote_ids and assertion is not None:
        said = assertion.get(protocol.remote_id_attribute or REMOTE_ID_ATTRIBUTE)
        if not said:
            raise Unauthorized("Could not find Identity Provider identifier in environment")
        if said[0] not in remote_ids:
            raise NotAllowed("Incoming identity provider identifier not included among the accepted identifiers.")
    return idp


def _mapping(tx: Transaction, idp_id: str, protocol_id: str) -> MappingRow:
    wanted = select_as(MappingRow).join(federation_protocols, federation_protocols.c.mapping_id == mappings.c.id)
    row = tx.row(wanted.where(federation_protocols.c.idp_id == idp_id, federation_protocols.c.id == protocol_id))
    if row is None:
        raise Unauthenticated("The request you have made requires authentication.")
    return row


def _named(mapped: Mapped, assertion: Assertion) -> Mapped:
    """With a name and an id for the user, of which one stands for both. Raises 401."""
    user = mapped.user
    name = user.get("name") or next(iter(assertion.get("REMOTE_USER", ())), None)
    if not name and not user.get("id"):
        raise Unauthorized(
            "Could not map user while setting ephemeral user identity. Either mapping rules must specify user id/name "
            "or REMOTE_USER environment variable must be set."
        )
    user["name"], user["id"] = name or user["id"], user.get("id") or name
    return mapped
