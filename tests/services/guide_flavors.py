"""The flavors of the guides, for tests that have no first user."""

from __future__ import annotations

from cumulet.cli.first_user import FLAVORS
from cumulet.db import Transaction
from cumulet.services.compute.model import flavors


def make_flavors(tx: Transaction) -> None:
    """Create them in an empty cloud, all but the one of our own."""
    for flavor_id, name, ram, disk, vcpus in FLAVORS[:-1]:
        flavors.create(tx, {"id": flavor_id, "name": name, "ram": ram, "disk": disk, "vcpus": vcpus})
