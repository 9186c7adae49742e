"""MAC addresses of ports: random, under the prefix of the ecosystem, unique on their network."""

from __future__ import annotations

import secrets

from sqlalchemy import and_, select

from cumulet.http.faults import Unavailable
from cumulet.services.network.tables import ports
from cumulet.store import Transaction

PREFIX = "fa:16:3e"


def is_free(tx: Transaction, network_id: str, mac: str) -> bool:
    """Whether no port of the network has this MAC."""
    where = and_(ports.c.network_id == network_id, ports.c.mac_address == mac)
    return tx.row(select(ports.c.id).where(where)) is None


def fresh_mac(tx: Transaction, network_id: str) -> str:
    """A MAC that no port of the network has."""
    for _ in range(16):
        mac = ":".join([PREFIX, *(f"{byte:02x}" for byte in secrets.token_bytes(3))])
        if is_free(tx, network_id, mac):
            return mac
    raise Unavailable(
        f"Unable to generate unique mac on network {network_id}.", code="NetworkMacAddressGenerationFailure"
    )
