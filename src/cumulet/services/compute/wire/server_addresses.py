"""Shapes of servers' addresses and interfaces."""

from __future__ import annotations

from cumulet.http.bodies import Record, since

ADDRESS = Record("PlainAddress", {"version": int, "addr": str})
INTERFACE = Record(
    "InterfaceAttachment",
    {
        "port_state": str,
        "fixed_ips": [{"subnet_id": str, "ip_address": str}],
        "port_id": str,
        "net_id": str,
        "mac_addr": str,
        "tag": since("2.70", str | None),
    },
)
SECURITY_GROUP = Record(
    "SecurityGroupOfServer", {"id": str, "name": str, "tenant_id": str, "description": str, "rules": list}
)
