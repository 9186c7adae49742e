"""Options that the DHCP server gives to one port. They reach its configuration, so each character is looked at: a line
break in an option would be a line of configuration."""

from __future__ import annotations

from typing import Any

from cumulet.db import Transaction
from cumulet.desired import texts
from cumulet.services.network.draft import PortDraft
from cumulet.services.network.extension import Extension
from cumulet.services.network.wire.attributes import Attribute, Refused, integer, items, keyed, typed


@typed({"opt_name": str, "opt_value": str, "ip_version": int})
def dhcp_option(value: Any) -> dict[str, Any]:
    """``{"opt_name", "opt_value", "ip_version"}``; a null value drops the option. What no DHCP server knows or can be
    told is taken, as by Neutron: nodes leave it out."""

    def version(given: Any) -> int:
        found = integer()(given)
        if found not in (4, 6):
            raise Refused(f"'{given}' is not in [4, 6]")
        return int(found)

    def same(given: Any) -> Any:
        return given

    found = keyed(value, {"opt_name": same, "opt_value": same, "ip_version": version}, ("opt_name", "opt_value"))
    try:
        texts.said_option(found["opt_name"], "x" if found["opt_value"] is None else found["opt_value"])
    except ValueError:
        raise Refused(f"No valid key specs matched for: {value!r}") from None
    return {"ip_version": 4, **found}


@typed([{"opt_name": str, "opt_value": str, "ip_version": int}])
def dhcp_options(value: Any) -> list[dict[str, Any]]:
    """Options, as many as a DHCP server shall have of one port."""
    found: list[dict[str, Any]] = items(dhcp_option)(value)
    if len(found) > texts.MOST_OPTIONS:
        raise Refused(f"The number of DHCP options exceeds the limit {texts.MOST_OPTIONS}")
    return found


def settle(_tx: Transaction, draft: PortDraft) -> None:
    """An option without a value is none."""
    found = draft.columns.get("extra_dhcp_opts")
    if found:
        draft.columns["extra_dhcp_opts"] = [option for option in found if option["opt_value"] is not None]


EXTENSION = Extension(
    "extra_dhcp_opt",
    "Neutron Extra DHCP options",
    "Extra options configuration for DHCP.",
    adds={"port": {"extra_dhcp_opts": Attribute(dhcp_options, [])}},
    settles={"port": settle},
)
