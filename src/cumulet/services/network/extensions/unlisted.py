"""Extensions of which only attributes are answered, as clients read them. No alias of theirs is shown: nothing works.

One that begins to work gets a file of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, false, true

from cumulet.services.network.extension import Extension
from cumulet.services.network.wire.attributes import Attribute, Refused, boolean, optional, read_only, typed, uuid


@typed(bool)
def _single(value: Any) -> bool:
    if boolean(value):
        raise Refused("distributed and highly available routers are not supported")
    return False


def by_false(values: Sequence[str]) -> ColumnElement[bool]:
    """A filter by an attribute that is false everywhere."""
    return true() if any(value.lower() in ("false", "0") for value in values) else false()


def by_none(values: Sequence[str]) -> ColumnElement[bool]:
    """A filter by an attribute that is null everywhere."""
    return true() if "" in values else false()


_SCOPES = ("ipv4_address_scope", "ipv6_address_scope")

EXTENSIONS = (
    Extension(
        "address-scope",
        "Address scope",
        "Address scopes extension.",
        listed=False,
        adds={"network": dict.fromkeys(_SCOPES, read_only(str | None))},
        constants={"network": dict.fromkeys(_SCOPES)},
    ),
    Extension(
        "dvr",
        "Distributed Virtual Router",
        "Enables configuration of Distributed Virtual Routers.",
        listed=False,
        adds={"router": {"distributed": Attribute(_single, False)}},
        constants={"router": {"distributed": False}},
        filters={"router": {"distributed": by_false}},
    ),
    Extension(
        "l3-flavors",
        "Router Flavor Extension",
        "Flavor support for routers.",
        listed=False,
        adds={"router": {"flavor_id": Attribute(optional(uuid), None, put=False)}},
        constants={"router": {"flavor_id": None}},
    ),
    Extension(
        "l3-ha",
        "HA Router extension",
        "Adds HA capability to routers.",
        listed=False,
        adds={"router": {"ha": Attribute(_single, False)}},
        constants={"router": {"ha": False}},
        filters={"router": {"ha": by_false}},
    ),
    Extension(
        "security-groups-normalized-cidr",
        "Normalized CIDR field for security group rules",
        "Add new field with normalized remote_ip_prefix cidr in SG rule",
        listed=False,
        adds={"security_group_rule": {"normalized_cidr": read_only(str | None)}},
        columns={"security_group_rule": {"normalized_cidr": "remote_ip_prefix"}},
    ),
    Extension(
        "security-groups-remote-address-group",
        "Remote address group id field for security group rules",
        "Add new field of remote address group id in SG rules",
        listed=False,
        adds={"security_group_rule": {"remote_address_group_id": Attribute(optional(uuid), None, put=False)}},
        constants={"security_group_rule": {"remote_address_group_id": None}},
    ),
    Extension(
        "security-groups-shared-filtering",
        "Security group filtering on the shared field",
        "Support filtering security groups on the shared field",
        listed=False,
        adds={"security_group": {"shared": Attribute(boolean, post=False, put=False)}},
        constants={"security_group": {"shared": False}},
        filters={"security_group": {"shared": by_false}},
    ),
    Extension(
        "subnet_allocation",
        "Subnet Allocation",
        "Enables allocation of subnets from a subnet pool",
        listed=False,
        adds={"subnet": {"subnetpool_id": Attribute(optional(uuid), None, put=False)}},
        constants={"subnet": {"subnetpool_id": None}},
        filters={"subnet": {"subnetpool_id": by_none}},
    ),
    Extension(
        "subnet-dns-publish-fixed-ip",
        "Subnet DNS publish fixed IP",
        "Enable DNS publishing of fixed IPs",
        listed=False,
        adds={"subnet": {"dns_publish_fixed_ip": Attribute(boolean, False)}},
    ),
)
