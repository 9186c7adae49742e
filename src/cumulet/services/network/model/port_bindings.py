"""Bindings of ports: on which hosts a port is, one of them ACTIVE. While a guest moves there is a second one, INACTIVE,
on the host that it moves to.

A binding is made for who chooses the host: compute for its servers, an administrator by ``binding:host_id``. DHCP
servers and routers go where the network host is, and have none. The active binding's host is on the port's row, too,
with the link to it, as a network is wanted where it has ports. What is here never tells a link anything.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

from sqlalchemy import bindparam, update

from cumulet.db import Prepared, Transaction
from cumulet.db.in_list import in_bound_list, in_list
from cumulet.services.network.tables import port_bindings

Status = Literal["ACTIVE", "INACTIVE"]
VIF_DETAILS: Mapping[str, Any] = {"port_filter": True, "connectivity": "l2"}
_ACTIVE = port_bindings.c.status == "ACTIVE"
_MOVE = Prepared(
    update(port_bindings)
    .where(in_bound_list(port_bindings.c.port_id, "ports"), _ACTIVE)
    .values(
        host=bindparam("to_host"),
        vif_type=bindparam("vif"),
        vif_details=bindparam("details", type_=port_bindings.c.vif_details.type),
    )
)


def bind(tx: Transaction, port_id: str, host: str, link_id: str | None, profile: Mapping[str, Any]) -> None:
    """Write down that a port without a binding is on the host. Without a link there is no such host."""
    vif_type, details = _vif(link_id)
    tx.insert(
        port_bindings,
        {
            "port_id": port_id, "host": host, "status": "ACTIVE", "vif_type": vif_type, "vif_details": details,
            "profile": dict(profile),
        },
    )  # fmt: skip


def rows(ports: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The bindings of rows of ports that compute has plugged in."""
    return [
        {
            "port_id": port["id"], "host": port["host"], "status": "ACTIVE", "vif_type": "bridge",
            "vif_details": VIF_DETAILS, "profile": port["profile"],
        }
        for port in ports
        if port["plugged"]
    ]  # fmt: skip


def move(tx: Transaction, port_ids: Sequence[str], host: str, link_id: str | None) -> None:
    """The ports' active bindings are on another host now. One statement."""
    vif_type, details = _vif(link_id)
    tx.execute_prepared(_MOVE, {"ports": port_ids, "to_host": host, "vif": vif_type, "details": details})


def unbind(tx: Transaction, port_ids: Collection[str]) -> None:
    """The ports are on no host any more. One statement."""
    tx.delete(port_bindings, in_list(port_bindings.c.port_id, port_ids))


def _vif(link_id: str | None) -> tuple[str, dict[str, Any]]:
    return ("bridge", dict(VIF_DETAILS)) if link_id else ("binding_failed", {})
