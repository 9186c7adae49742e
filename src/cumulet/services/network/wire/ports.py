"""The port's attributes on the wire. What reaches a DHCP server's configuration is checked here, character by
character: a line break in an option would be a line of configuration."""

from __future__ import annotations

from typing import Any

from cumulet.desired import texts
from cumulet.services.network.wire.attributes import (
    NAME,
    READ_ONLY,
    REQUIRED,
    STANDARD,
    Attribute,
    Refused,
    Resource,
    boolean,
    fixed_ips,
    integer,
    ip_address,
    items,
    keyed,
    mac_address,
    mapping,
    one_of,
    text,
    uuid,
)

VNIC_TYPES = (
    *("normal", "direct", "macvtap", "baremetal", "direct-physical", "virtio-forwarder", "smart-nic"),
    *("vdpa", "accelerator-direct", "accelerator-direct-physical", "remote-managed"),
)


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


def dhcp_options(value: Any) -> list[dict[str, Any]]:
    """Options, as many as a DHCP server shall have of one port."""
    found: list[dict[str, Any]] = items(dhcp_option)(value)
    if len(found) > texts.MOST_OPTIONS:
        raise Refused(f"The number of DHCP options exceeds the limit {texts.MOST_OPTIONS}")
    return found


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


def dns_domain(value: Any) -> str:
    """A domain with a dot at its end, or nothing."""
    found = dns_name(value)
    if found and not found.endswith("."):
        raise Refused(f"'{value}' is not a FQDN")
    return found


def profile(value: Any) -> dict[str, Any]:
    found = mapping(value)
    if len(repr(found)) > 4095:
        raise Refused("binding:profile value too large")
    return found


PORT = Resource(
    "port",
    "ports",
    {
        **STANDARD,
        "name": NAME,
        "network_id": Attribute(uuid, REQUIRED, put=False),
        "admin_state_up": Attribute(boolean, True),
        "mac_address": Attribute(mac_address, guarded=True),
        "fixed_ips": Attribute(fixed_ips, guarded=True),
        "device_id": Attribute(text(), ""),
        "device_owner": Attribute(text(), "", guarded=True),
        "status": READ_ONLY,
        "security_groups": Attribute(items(uuid)),
        "port_security_enabled": Attribute(boolean, guarded=True),
        "allowed_address_pairs": Attribute(items(address_pair), [], guarded=True),
        "extra_dhcp_opts": Attribute(dhcp_options, []),
        "binding:host_id": Attribute(text(), "", guarded=True, hidden=True),
        "binding:profile": Attribute(profile, {}, guarded=True, hidden=True),
        "binding:vnic_type": Attribute(one_of(*VNIC_TYPES), "normal", guarded=True),
        "binding:vif_type": Attribute(text(), post=False, put=False, hidden=True),
        "binding:vif_details": Attribute(mapping, post=False, put=False, hidden=True),
        "dns_name": Attribute(dns_name, ""),
        "dns_domain": Attribute(dns_domain, ""),
        "dns_assignment": READ_ONLY,
    },
)
