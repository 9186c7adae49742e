"""Addresses that a port may send from beside its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cumulet.db import Transaction
from cumulet.desired import texts
from cumulet.http.faults import BadRequest, Conflict
from cumulet.http.repeats import repeated
from cumulet.services.network.check_strings import ADMIN, NET_OWNER, rules
from cumulet.services.network.draft import PortDraft
from cumulet.services.network.extension import Extension
from cumulet.services.network.wire.attributes import Attribute, Refused, ip_address, items, keyed, mac_address, typed

MOST = 10
"""Pairs of one port, as in Neutron."""


@typed({"ip_address": str, "mac_address": str})
def address_pair(value: Any) -> dict[str, Any]:
    """``{"ip_address": address or CIDR, "mac_address"}``. The CIDR keeps its host bits, as Neutron's does."""

    def address(given: Any) -> str:
        if not isinstance(given, str) or "/" not in given:
            return ip_address(given)
        try:
            texts.prefix(given)
            return str(texts.interface(given))
        except ValueError:
            raise Refused(f"'{given}' is not a valid IP subnet") from None

    def of_one_device(given: Any) -> str:
        found = mac_address(given)
        if int(found[:2], 16) & 1:
            raise Refused(f"MAC address {given} is a multicast address, which is not supported.")
        return found

    return keyed(value, {"ip_address": address, "mac_address": of_one_device}, ("ip_address",))


def settle(_tx: Transaction, draft: PortDraft) -> None:
    """Complete the pairs with the port's own MAC address. Raises 400, and 409 on a port without security."""
    if "allowed_address_pairs" in draft.values:
        draft.columns["allowed_address_pairs"] = _full(draft.values["allowed_address_pairs"], draft.mac)
    if draft.after("allowed_address_pairs") and not draft.after("port_security_enabled"):
        raise Conflict(
            "Port Security must be enabled in order to have allowed address pairs on a port.",
            code="AddressPairAndPortSecurityRequired",
        )


def _full(pairs: Sequence[Mapping[str, str]], mac: str) -> list[dict[str, str]]:
    full = [{"ip_address": pair["ip_address"], "mac_address": pair.get("mac_address", mac)} for pair in pairs]
    place = repeated(full)
    if place is not None:
        raise BadRequest(
            f"Request contains duplicate address pair: mac_address {full[place]['mac_address']} "
            f"ip_address {full[place]['ip_address']}.",
            code="DuplicateAddressPairInRequest",
        )
    if len(full) > MOST:
        raise BadRequest(
            f"The number of allowed address pairs exceeds the maximum {MOST}.", code="AllowedAddressPairExhausted"
        )
    return full


EXTENSION = Extension(
    "allowed-address-pairs",
    "Allowed Address Pairs",
    "Provides allowed address pairs",
    adds={"port": {"allowed_address_pairs": Attribute(items(address_pair), [], guarded=True)}},
    rules=rules("create_port:allowed_address_pairs update_port:allowed_address_pairs", f"{ADMIN} or {NET_OWNER}"),
    settles={"port": settle},
)
