"""Floating ips of a server by their addresses, the way compute's old actions ask for them. Raises Nova's faults."""

from __future__ import annotations

from cumulet.auth import Caller
from cumulet.db import Transaction, select_as
from cumulet.http.faults import BadRequest, Conflict, Fault, NotFound
from cumulet.services.network.model import addresses, floatingips, servers
from cumulet.services.network.tables import FloatingIpRow
from cumulet.services.network.tables import floatingips as table


def change(tx: Transaction, caller: Caller, server_id: str, address: str, fixed: str | None, *, add: bool) -> None:
    """Let `address` lead to the server (to its address `fixed`, or its first one), or no longer. Raises 400, 404
    and 409."""
    row = tx.row(select_as(FloatingIpRow).where(table.c.floating_ip_address == address, floatingips.visible(caller)))
    if row is None:
        raise NotFound("floating IP not found")
    ports = servers.rows_of(tx, [server_id])
    if not add:
        if row.port_id is None or row.port_id not in [port.id for port in ports]:
            raise Conflict(f"Floating IP {address} is not associated with instance {server_id}.")
        floatingips.update(tx, caller, row, {"port_id": None})
        return
    held = addresses.of_ports(tx, [port.id for port in ports])
    ends = [(port.id, a.ip_address) for port in ports for a in held[port.id] if ":" not in a.ip_address]
    if fixed is not None:
        ends = [end for end in ends if end[1] == fixed]
    if not ends:
        raise BadRequest("Specified fixed address not assigned to instance" if fixed else "No fixed IPs to associate")
    port_id, fixed_ip = ends[0]
    try:
        floatingips.update(tx, caller, row, {"port_id": port_id, "fixed_ip_address": fixed_ip})
    except Fault as fault:
        raise BadRequest(f"Unable to associate floating IP {address} to fixed IP {fixed_ip}: {fault.message}") from None
