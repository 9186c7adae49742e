"""Names of ports: what the DHCP server of a network answers to, and the domains that clients write down."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cumulet.db import Transaction
from cumulet.desired import texts
from cumulet.services.network.draft import PortDraft
from cumulet.services.network.extension import Body, Extension
from cumulet.services.network.wire.attributes import Attribute, Refused, read_only, typed

DOMAIN = "openstacklocal"


@typed(str)
def dns_name(value: Any) -> str:
    """A host name of DNS labels, or nothing."""
    if value in (None, ""):
        return ""
    if not isinstance(value, str) or len(value) > texts.NAME_LIMIT:
        raise Refused(f"'{value}' is not a valid string")
    try:
        return texts.domain(value)
    except ValueError:
        raise Refused(
            f"'{value}' not a valid PQDN or FQDN. Reason: Encountered an invalid DNS name component"
        ) from None


@typed(str)
def dns_domain(value: Any) -> str:
    """A domain with a dot at its end, or nothing."""
    found = dns_name(value)
    if found and not found.endswith("."):
        raise Refused(f"'{value}' is not a FQDN")
    return found


def host_name(name: str, ip: str) -> str:
    """The name that the DHCP server knows a port by, whose `dns_name` is `name`."""
    return name or "host-" + ip.replace(".", "-").replace(":", "-")


def settle(tx: Transaction, draft: PortDraft) -> None:
    """Where tenants share a network, who asked first has the name."""
    if draft.row is None or draft.columns.get("dns_name", draft.row.dns_name) != draft.row.dns_name:
        draft.columns["named_at"] = tx.now


def show(_tx: Transaction, _rows: Sequence[Any], bodies: list[Body]) -> None:
    """The names that go with a port's addresses."""
    for body in bodies:
        body["dns_assignment"] = [_assignment(body["dns_name"], each["ip_address"]) for each in body["fixed_ips"]]


def _assignment(name: str, ip: str) -> dict[str, str]:
    found = host_name(name, ip)
    return {"hostname": found, "ip_address": ip, "fqdn": f"{found}.{DOMAIN}."}


_NAME, _DOMAIN = Attribute(dns_name, ""), Attribute(dns_domain, "")
_FIXED_NAME, _FIXED_DOMAIN = Attribute(dns_name, "", put=False), Attribute(dns_domain, "", put=False)

EXTENSION = Extension(
    "dns-integration",
    "DNS Integration",
    "Provides integration with DNS.",
    adds={
        "port": {
            "dns_name": _NAME,
            "dns_domain": _DOMAIN,
            "dns_assignment": read_only([{"hostname": str, "ip_address": str, "fqdn": str}]),
        },
        "network": {"dns_domain": _DOMAIN},
        "floatingip": {"dns_name": _FIXED_NAME, "dns_domain": _FIXED_DOMAIN},
    },
    settles={"port": settle},
    shows={"port": show},
)
