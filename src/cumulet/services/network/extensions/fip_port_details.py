"""What a floating ip says of the port that it leads to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from cumulet.db import Transaction
from cumulet.http.bodies import OneOf
from cumulet.services.network.extension import Body, Extension
from cumulet.services.network.tables import ports
from cumulet.services.network.wire.attributes import read_only

_TOLD = ("name", "network_id", "mac_address", "admin_state_up", "status", "device_id", "device_owner")


def show(tx: Transaction, rows: Sequence[Any], bodies: list[Body]) -> None:
    """Details of the ports. One query."""
    columns = [ports.c[name] for name in _TOLD]
    wanted = {row.port_id for row in rows if row.port_id}
    found = {row.id: row for row in tx.rows(select(ports.c.id, *columns).where(ports.c.id.in_(wanted)))}
    for row, body in zip(rows, bodies, strict=True):
        port = found.get(row.port_id)
        body["port_details"] = None if port is None else {name: getattr(port, name) for name in _TOLD}


_DETAILS = {
    **dict.fromkeys(("name", "network_id", "mac_address", "status", "device_id", "device_owner"), str),
    "admin_state_up": bool,
}

EXTENSION = Extension(
    "fip-port-details",
    "Floating IP Port Details Extension",
    "Add port_details attribute to Floating IP resource",
    adds={"floatingip": {"port_details": read_only(OneOf(_DETAILS, None))}},
    shows={"floatingip": show},
)
