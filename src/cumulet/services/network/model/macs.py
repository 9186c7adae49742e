"""MAC addresses of ports: random, under the prefix of the ecosystem, unique on their network."""

from __future__ import annotations

import secrets

from sqlalchemy import bindparam, select

from cumulet.db import Prepared, Transaction
from cumulet.http.faults import Unavailable
from cumulet.services.network.tables import ports

PREFIX = "fa:16:3e"
_OF_MAC = Prepared(
    select(ports.c.id).where(ports.c.network_id == bindparam("network"), ports.c.mac_address == bindparam("mac"))
)


def is_free(tx: Transaction, network_id: str, mac: str) -> bool:
    """Whether no port of the network has this MAC."""
    return not tx.rows(_OF_MAC, {"network": network_id, "mac": mac})


def fresh_mac(tx: Transaction, network_id: str) -> str:
    """A MAC that no port of the network has."""
    for _ in range(16):
        mac = ":".join([PREFIX, *(f"{byte:02x}" for byte in secrets.token_bytes(3))])
        if is_free(tx, network_id, mac):
            return mac
    raise Unavailable(
        f"Unable to generate unique mac on network {network_id}.", code="NetworkMacAddressGenerationFailure"
    )
