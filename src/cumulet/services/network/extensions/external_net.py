"""Networks that lead outside: routers have their gateways there, and floating ips their addresses."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from cumulet.db import Transaction
from cumulet.http.faults import Conflict
from cumulet.services.network.check_strings import ADMIN, rules
from cumulet.services.network.draft import Draft
from cumulet.services.network.extension import Extension
from cumulet.services.network.tables import floatingips, routers
from cumulet.services.network.wire.attributes import Attribute, boolean


def settle(tx: Transaction, draft: Draft[Any]) -> None:
    """A network with gateways or floating ips stays external. Raises 409."""
    row = draft.row
    if row is None or not row.external or draft.columns.get("external", True):
        return
    gateways = select(routers.c.id).where(routers.c.gateway_network_id == row.id).limit(1)
    floating = select(floatingips.c.id).where(floatingips.c.floating_network_id == row.id).limit(1)
    if tx.row(gateways) is not None or tx.row(floating) is not None:
        raise Conflict(
            f"External network {row.id} cannot be updated to be made non-external, since it has existing gateway "
            "ports.",
            code="ExternalNetworkInUse",
        )


EXTENSION = Extension(
    "external-net",
    "Neutron external network",
    "Adds external network attribute to network resource.",
    adds={"network": {"router:external": Attribute(boolean, False, guarded=True)}},
    columns={"network": {"router:external": "external"}},
    rules=rules("create_network:router:external update_network:router:external", ADMIN),
    settles={"network": settle},
)
