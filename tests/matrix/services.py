"""The services of the matrix: their requests, what they are about, and the names of their operations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints

from cumulet.http import Operation, Service
from tests.matrix import compute, identity, image, network, placement
from tests.matrix.asking import Ask
from tests.matrix.world import World


@dataclass(frozen=True)
class Part:
    """A service: `requests` by operation, what makes the things they are about, and what makes fresh ones."""

    requests: Mapping[str, list[Ask]]
    build: Callable[[World], None]
    renew: Callable[[World], None] = lambda world: None


PARTS: dict[str, Part] = {
    "identity": Part(identity.REQUESTS, identity.build),
    "image": Part(image.REQUESTS, image.build, image.renew),
    "placement": Part(placement.REQUESTS, placement.build),
    "network": Part(network.REQUESTS, network.build),
    "compute": Part(compute.REQUESTS, compute.build),
}


def name_of(operation: Operation) -> str:
    """What the tables call an operation, with the key of an action. One that newer versions have not says so."""
    until = operation.until
    which = f" ({operation.action})" if operation.action else ""
    return f"{operation.method} {operation.path}{which}" + (f" up to {until[0]}.{until[1]}" if until else "")


def takes_nothing(operation: Operation) -> bool:
    """Whether it is an action of which nobody reads what stands under its key: there is nothing to try."""
    shape = operation.request
    return bool(operation.action) and isinstance(shape, type) and get_type_hints(shape)["arguments"] is Any


def version_of(service: Service, name: str) -> dict[str, str]:
    """Headers that ask for the newest version that has the operation."""
    if service.microversions is None:
        return {}
    newest = "{}.{}".format(*service.microversions.maximum)
    return {"openstack-api-version": f"{service.type} {name.partition(' up to ')[2] or newest}"}
