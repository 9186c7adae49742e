"""Values of security groups' rules on the wire. A rule that says nothing a firewall can do is refused
here, so that it never reaches a host, where it could stop the rules of others."""

from __future__ import annotations

from typing import Any

from cumulet.desired import texts
from cumulet.desired.texts import PROTOCOLS
from cumulet.http.faults import BadRequest, Fault
from cumulet.services.network.wire.attributes import Refused, typed

_WITH_PORTS = (6, 17, 33, 132, 136)
_ICMP = (1, 58)
_ONLY_V6 = ("icmpv6", "ipv6-encap", "ipv6-frag", "ipv6-icmp", "ipv6-nonxt", "ipv6-opts", "ipv6-route")


def _fault(code: str, message: str) -> Fault:
    return BadRequest(message, code=code)


@typed(str | None)
def protocol(value: Any) -> str | None:
    """A protocol's name or number as text; "any" is none."""
    if value is None or value in ("", "any"):
        return None
    try:
        found = texts.protocol(value)
    except ValueError:
        raise _fault(
            "SecurityGroupRuleInvalidProtocol",
            f"Security group rule protocol {value} not supported. Only protocol values "
            f"{[None, *sorted(PROTOCOLS)]} and integer representations [0 to 255] are supported.",
        ) from None
    named = isinstance(value, str) and value.lower() in PROTOCOLS
    return value.lower() if named else str(found)


@typed(int | None)
def port_number(value: Any) -> int | None:
    if value is None:
        return None
    try:
        return texts.whole(value, 0, 65535)
    except ValueError:
        raise _fault("SecurityGroupInvalidPortValue", f"Invalid value for port {value}") from None


@typed(str)
def ethertype(value: Any) -> str:
    for known in ("IPv4", "IPv6"):
        if isinstance(value, str) and value.lower() == known.lower():
            return known
    raise Refused(f"'{value}' is not in ['IPv4', 'IPv6']")


@typed(str | None)
def prefix(value: Any) -> str | None:
    """A CIDR; a single address is a network of one."""
    if value is None or value == "":
        return None
    try:
        return str(texts.interface(value).network)
    except ValueError:
        raise Refused(f"'{value}' is not a valid CIDR") from None


def number(name: str | None) -> int | None:
    """The number of a protocol."""
    if name is None:
        return None
    return texts.protocol(name)


def check_rule(rule: dict[str, Any]) -> None:
    """Values of a rule fit each other. Raises 400."""
    if rule["remote_ip_prefix"] and rule["remote_group_id"]:
        raise _fault(
            "SecurityGroupMultipleRemoteEntities",
            "Only remote_ip_prefix or remote_group_id or address_group may be provided.",
        )
    if rule["remote_address_group_id"]:
        raise Fault(
            f"Address group {rule['remote_address_group_id']} could not be found.",
            code="AddressGroupNotFound",
            status=404,
        )
    _check_family(rule)
    least, most = rule["port_range_min"], rule["port_range_max"]
    if least is None and most is None:
        return
    kind = number(rule["protocol"])
    if kind in _WITH_PORTS:
        _check_ports(least, most)
    elif kind in _ICMP:
        _check_icmp(least, most)
    elif kind is None:
        raise _fault("SecurityGroupProtocolRequiredWithPorts", "Must also specify protocol if port range is given.")
    else:
        raise _fault(
            "SecurityGroupInvalidProtocolForPort",
            f"Invalid protocol {rule['protocol']} for port range, only supported for TCP, UDP, UDPLITE, SCTP and DCCP.",
        )


def _check_family(rule: dict[str, Any]) -> None:
    prefix, family = rule["remote_ip_prefix"], rule["ethertype"]
    if prefix and (":" in prefix) != (family == "IPv6"):
        raise _fault("SecurityGroupRuleParameterConflict", f"Conflicting value ethertype {family} for CIDR {prefix}")
    if rule["protocol"] in _ONLY_V6 and family == "IPv4":
        raise _fault(
            "SecurityGroupEthertypeConflictWithProtocol",
            f"Invalid ethertype {family} for protocol {rule['protocol']}.",
        )


def _check_ports(least: int | None, most: int | None) -> None:
    if least == 0 or most == 0:
        raise _fault("SecurityGroupInvalidPortValue", "Invalid value for port 0")
    if least is None or most is None or least > most:
        raise _fault("SecurityGroupInvalidPortRange", "For TCP/UDP protocols, port_range_min must be <= port_range_max")


def _check_icmp(least: int | None, most: int | None) -> None:
    for attribute, name, value in (("port_range_min", "type", least), ("port_range_max", "code", most)):
        if value is not None and value > 255:
            raise _fault(
                "SecurityGroupInvalidIcmpValue",
                f"Invalid value for ICMP {name} ({attribute}) {value}. It must be 0 to 255.",
            )
    if least is None:
        raise _fault(
            "SecurityGroupMissingIcmpType",
            f"ICMP code (port-range-max) {most} is provided but ICMP type (port-range-min) is missing.",
        )
