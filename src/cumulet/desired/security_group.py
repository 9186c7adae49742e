"""Desired state of kind ``security_group``: rules, and the addresses that other groups' rules mean by this one."""

from __future__ import annotations

from typing import Literal

from cumulet.desired.records import Owner, Record
from cumulet.desired.shape import Shape

FORMAT = 1
"""Of what is said here; it rises when an earlier node would take it for something else."""


class Rule(Shape):
    """One rule as Neutron has it. `protocol` is a name or a number as text; for icmp the ports are type and code."""

    id: str
    direction: Literal["ingress", "egress"]
    ethertype: Literal["IPv4", "IPv6"] = "IPv4"
    protocol: str | None = None
    port_range_min: int | None = None
    port_range_max: int | None = None
    remote_ip_prefix: str | None = None
    remote_group_id: str | None = None
    description: str = ""


class SecurityGroup(Shape):
    """Rules of a group, and the addresses of all its members in the cloud (for rules that name it as remote)."""

    id: str
    rules: list[Rule] = []
    members: list[str] = []
    record: GroupRecord | None = None


class GroupRecord(Record):
    """Of a security group."""

    owner: Owner
    name: str = ""
    is_default: bool = False
    stateful: bool = True
