"""Which extensions of the API are there. Only what works stands in the list: clients decide by it what to try."""

from __future__ import annotations

from cumulet.http import Call
from cumulet.services.network import faults
from cumulet.services.network.nouns import Body
from cumulet.services.network.service import network as service

_NAMES = {
    "agent": ("agent", "The agent management extension."),
    "allowed-address-pairs": ("Allowed Address Pairs", "Provides allowed address pairs"),
    "availability_zone": ("Availability Zone", "The availability zone extension."),
    "binding": ("Port Binding", "Expose port bindings of a virtual port to external application"),
    "dns-integration": ("DNS Integration", "Provides integration with DNS."),
    "ext-gw-mode": ("Neutron L3 Configurable external gateway mode", "Enable/disable SNAT on external gateway"),
    "external-net": ("Neutron external network", "Adds external network attribute to network resource."),
    "extra_dhcp_opt": ("Neutron Extra DHCP options", "Extra options configuration for DHCP."),
    "extraroute": ("Neutron Extra Route", "Extra routes configuration for L3 router"),
    "extraroute-atomic": ("Atomically add/remove extra routes", "Edit extra routes of a router by adding/removing."),
    "fip-port-details": ("Floating IP Port Details Extension", "Add port_details attribute to Floating IP resource"),
    "ip-substring-filtering": ("IP address substring filtering", "Provides IP address substring filtering"),
    "net-mtu": ("Network MTU", "Provides MTU attribute for a network resource."),
    "net-mtu-writable": ("Network MTU (writable)", "Provides a writable MTU attribute for a network resource."),
    "network-ip-availability": ("Network IP Availability", "Provides IP availability data for each network."),
    "network_availability_zone": ("Network Availability Zone", "Availability zone support for network."),
    "pagination": ("Pagination support", "Extension that indicates that pagination is enabled."),
    "port-security": ("Port Security", "Provides port security"),
    "port-security-groups-filtering": ("Port filtering on security groups", "Filter ports by their security groups"),
    "project-id": ("project_id field enabled", "Extension that indicates that project_id field is enabled."),
    "provider": ("Provider Network", "Expose mapping of virtual networks to physical networks"),
    "quota_details": ("Quota details management support", "Expose functions for quotas usage statistics per project"),
    "quotas": ("Quota management support", "Expose functions for quotas management per project"),
    "router": ("Neutron L3 Router", "Router abstraction for basic L3 forwarding between networks."),
    "router_availability_zone": ("Router Availability Zone", "Availability zone support for router."),
    "security-group": ("security-group", "The security groups extension."),
    "service-type": ("Neutron Service Type Management", "API for retrieving service providers."),
    "sorting": ("Sorting support", "Extension that indicates that sorting is enabled."),
    "standard-attr-description": ("standard-attr-description", "Extension to add descriptions to standard attributes"),
    "standard-attr-revisions": ("Resource revision numbers", "Display the revision number of resources."),
    "standard-attr-tag": ("Tag support for resources with standard attributes", "Enables to set tag on resources."),
    "standard-attr-timestamp": ("Resource timestamps", "Adds created_at and updated_at fields to all resources."),
    "stateful-security-group": ("Stateful security group", "Indicates if the security group is stateful or not"),
    "subnet-service-types": ("Subnet service types", "Provides ability to set the subnet service_types field"),
}


def _extension(alias: str) -> Body:
    name, description = _NAMES[alias]
    return {
        "alias": alias,
        "name": name,
        "description": description,
        "updated": "2026-01-01T00:00:00-00:00",
        "links": [],
    }


@service.get("/v2.0/extensions", transaction="none")
def list_extensions(_call: Call) -> Body:
    """List extensions."""
    return {"extensions": [_extension(alias) for alias in _NAMES]}


@service.get("/v2.0/extensions/{alias}", transaction="none")
def show_extension(_call: Call, alias: str) -> Body:
    """Show an extension."""
    if alias not in _NAMES:
        raise faults.not_found("extension", alias)
    return {"extension": _extension(alias)}
