"""The extensions of the API, a file each (mere names and mere attributes share one), and what resources collect of
them when they are loaded. A file here imports no noun's model that collects: `model.ports`, `model.networks`.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from cumulet.auth import Rule
from cumulet.db import Transaction
from cumulet.services.network.draft import Draft
from cumulet.services.network.extension import EVERY, Extension, Filter
from cumulet.services.network.extensions import (
    agent,
    allowed_address_pairs,
    auto_allocated_topology,
    availability_zone,
    binding,
    dns_integration,
    ext_gw_mode,
    external_net,
    extra_dhcp_opt,
    extraroute,
    fip_port_details,
    net_mtu,
    network_ip_availability,
    plain,
    port_security,
    provider,
    quotas,
    router,
    security_group,
    service_type,
    standard_attr,
    stateful_security_group,
    subnet_service_types,
    unlisted,
)
from cumulet.services.network.wire.attributes import Attribute, Resource

EXTENSIONS: tuple[Extension, ...] = (
    # In this order drafts are settled: what looks at another extension's columns comes behind it.
    provider.EXTENSION,
    net_mtu.EXTENSION,
    external_net.EXTENSION,
    auto_allocated_topology.EXTENSION,
    *availability_zone.EXTENSIONS,
    port_security.EXTENSION,
    *security_group.EXTENSIONS,
    allowed_address_pairs.EXTENSION,
    extra_dhcp_opt.EXTENSION,
    dns_integration.EXTENSION,
    binding.EXTENSION,
    router.EXTENSION,
    ext_gw_mode.EXTENSION,
    *extraroute.EXTENSIONS,
    fip_port_details.EXTENSION,
    stateful_security_group.EXTENSION,
    subnet_service_types.EXTENSION,
    *standard_attr.EXTENSIONS,
    agent.EXTENSION,
    network_ip_availability.EXTENSION,
    quotas.EXTENSION,
    service_type.EXTENSION,
    *plain.EXTENSIONS,
    *unlisted.EXTENSIONS,
)


def listed() -> dict[str, Extension]:
    """Extensions that clients see, by alias and in its order."""
    return {each.alias: each for each in sorted(EXTENSIONS, key=lambda each: each.alias) if each.listed}


def rules() -> list[Rule]:
    """Rules of policy of all extensions."""
    return [rule for each in EXTENSIONS for rule in each.rules]


def collected(core: Resource) -> Resource:
    """The resource with its own attributes and all that extensions add."""
    attributes: dict[str, Attribute] = dict(core.attributes)
    for name in (EVERY, core.name):
        for each in EXTENSIONS:
            attributes.update(each.adds.get(name, {}))
    return Resource(core.name, core.plural, attributes)


def constants(resource: str) -> dict[str, Any]:
    """Attributes of the resource that always have the same value."""
    return {name: value for each in EXTENSIONS for name, value in each.constants.get(resource, {}).items()}


@cache
def columns(resource: str) -> dict[str, str]:
    """Names on the wire of the resource that are columns of another name."""
    return {name: column for each in EXTENSIONS for name, column in each.columns.get(resource, {}).items()}


def filters(resource: str) -> dict[str, Filter]:
    """Conditions of the resource's lists for names that are no columns."""
    return {name: found for each in EXTENSIONS for name, found in each.filters.get(resource, {}).items()}


@cache
def hooks(kind: str, resource: str) -> tuple[Any, ...]:
    """What extensions do about a resource: functions of the `kind` settles, finishes, erased or shows, in order."""
    names = (resource, EVERY)
    return tuple(getattr(each, kind)[name] for each in EXTENSIONS for name in names if name in getattr(each, kind))


def settle(tx: Transaction, resource: str, draft: Draft[Any]) -> None:
    """Let every extension complete the draft. Raises what does not fit."""
    for found in hooks("settles", resource):
        found(tx, draft)


def finish(tx: Transaction, resource: str, draft: Draft[Any]) -> None:
    """Let every extension write what belongs to the draft, whose row is written."""
    for found in hooks("finishes", resource):
        found(tx, draft)


def erase(tx: Transaction, resource: str, ids: list[str]) -> None:
    """Let every extension drop what belongs to resources that go."""
    for found in hooks("erased", resource):
        found(tx, ids)
