"""All tables of the network service, with the classes of their rows."""

from cumulet.services.network.tables.addresses import AddressRow, addresses
from cumulet.services.network.tables.floatingips import FloatingIpRow, floatingips
from cumulet.services.network.tables.networks import NetworkRow, networks, sequences
from cumulet.services.network.tables.ports import PortGroupRow, PortRow, port_bindings, port_groups, ports
from cumulet.services.network.tables.quotas import quotas
from cumulet.services.network.tables.routers import RouterRow, routers
from cumulet.services.network.tables.security_groups import (
    SecurityGroupRow,
    SecurityGroupRuleRow,
    security_group_rules,
    security_groups,
)
from cumulet.services.network.tables.standard import StandardRow
from cumulet.services.network.tables.subnets import SubnetRow, subnets
from cumulet.services.network.tables.tags import TagRow, tags

__all__ = [
    "AddressRow",
    "FloatingIpRow",
    "NetworkRow",
    "PortGroupRow",
    "PortRow",
    "RouterRow",
    "SecurityGroupRow",
    "SecurityGroupRuleRow",
    "StandardRow",
    "SubnetRow",
    "TagRow",
    "addresses",
    "floatingips",
    "networks",
    "port_bindings",
    "port_groups",
    "ports",
    "quotas",
    "routers",
    "security_group_rules",
    "security_groups",
    "sequences",
    "subnets",
    "tags",
]
