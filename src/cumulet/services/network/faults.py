"""The network service's errors, each under Neutron's type with Neutron's sentence. Functions return; callers raise."""

from __future__ import annotations

from collections.abc import Iterable

from cumulet.http.faults import BadRequest, Conflict, Fault, NotFound, Unavailable

_NOT_FOUND = {
    "network": ("NetworkNotFound", "Network {} could not be found."),
    "subnet": ("SubnetNotFound", "Subnet {} could not be found."),
    "port": ("PortNotFound", "Port {} could not be found."),
    "router": ("RouterNotFound", "Router {} could not be found"),
    "floatingip": ("FloatingIPNotFound", "Floating IP {} could not be found"),
    "security_group": ("SecurityGroupNotFound", "Security group {} does not exist"),
    "security_group_rule": ("SecurityGroupRuleNotFound", "Security group rule {} does not exist"),
    "agent": ("AgentNotFound", "Agent {} could not be found."),
    "extension": ("ExtensionNotFound", "Extension with alias {} does not exist"),
}


def not_found(noun: str, id: str) -> Fault:
    """There is no such thing, or not for this caller."""
    code, text = _NOT_FOUND[noun]
    return NotFound(text.format(id), code=code)


def bad_request(message: str) -> Fault:
    """A request that does not fit the resource's attributes."""
    return BadRequest(message, code="HTTPBadRequest")


def invalid(attribute: str, reason: str) -> Fault:
    """An attribute's value is not acceptable."""
    return bad_request(f"Invalid input for {attribute}. Reason: {reason}.")


def invalid_input(message: str) -> Fault:
    """Values that do not fit each other."""
    return BadRequest(f"Invalid input for operation: {message}.", code="InvalidInput")


def malformed(noun: str, message: str) -> Fault:
    """A generic bad request about a resource."""
    return BadRequest(f"Bad {noun} request: {message}.", code="BadRequest")


def over_quota(resources: Iterable[str]) -> Fault:
    """Quota is used up."""
    return Conflict(f"Quota exceeded for resources: {sorted(resources)}.", code="OverQuota")


def network_in_use(network_id: str) -> Fault:
    return Conflict(
        f"Unable to complete operation on network {network_id}. "
        "There are one or more ports still in use on the network.",
        code="NetworkInUse",
    )


def subnet_in_use(subnet_id: str, reason: str = "One or more ports have an IP allocation from this subnet") -> Fault:
    return Conflict(f"Unable to complete operation on subnet {subnet_id}: {reason}.", code="SubnetInUse")


def port_in_use(port_id: str, network_id: str, device_id: str) -> Fault:
    return Conflict(
        f"Unable to complete operation on port {port_id} for network {network_id}. "
        f"Port already has an attached device {device_id}.",
        code="PortInUse",
    )


def service_port_in_use(port_id: str, reason: str) -> Fault:
    return Conflict(f"Port {port_id} cannot be deleted directly via the port API: {reason}.", code="ServicePortInUse")


def mac_in_use(network_id: str, mac: str) -> Fault:
    return Conflict(
        f"Unable to complete operation for network {network_id}. The mac address {mac} is in use.",
        code="MacAddressInUse",
    )


def no_more_addresses(network_id: str) -> Fault:
    return Conflict(f"No more IP addresses available on network {network_id}.", code="IpAddressGenerationFailure")


def address_allocated(ip: str, subnet_id: str) -> Fault:
    return Conflict(f"IP address {ip} already allocated in subnet {subnet_id}", code="IpAddressAlreadyAllocated")


def address_not_on_subnet(ip: str) -> Fault:
    return BadRequest(f"IP address {ip} is not a valid IP for the specified subnet.", code="InvalidIpForSubnet")


def address_not_on_network(ip: str) -> Fault:
    return BadRequest(
        f"IP address {ip} is not a valid IP for any of the subnets on the specified network.",
        code="InvalidIpForNetwork",
    )


def router_in_use(router_id: str, reason: str = "still has ports") -> Fault:
    return Conflict(f"Router {router_id} {reason}", code="RouterInUse")


def agent_alive(id: str, host: str) -> Fault:
    """Its node would report it again at once."""
    return Conflict(
        f"Agent {id} is alive and cannot be deleted: the node of {host} does its work. Stop the node first.",
        code="AgentInUse",
    )


def gateway_unreachable(network_id: str, subnet_id: str, port_id: str) -> Fault:
    return NotFound(
        f"External network {network_id} is not reachable from subnet {subnet_id}.  "
        f"Therefore, cannot associate Port {port_id} with a Floating IP.",
        code="ExternalGatewayForFloatingIPNotFound",
    )


def no_network_available() -> Fault:
    return Unavailable(
        "Unable to create the network. No tenant network is available for allocation.", code="NoNetworkAvailable"
    )
