"""Which external network is the default. The topologies that Neutron makes by it are not there, so it is not listed."""

from __future__ import annotations

from typing import Any

from sqlalchemy import and_, select

from cumulet.db import Transaction
from cumulet.http.faults import Conflict
from cumulet.services.network.check_strings import ADMIN, rules
from cumulet.services.network.draft import Draft
from cumulet.services.network.extension import Extension
from cumulet.services.network.tables import networks
from cumulet.services.network.wire.attributes import Attribute, boolean


def settle(tx: Transaction, draft: Draft[Any]) -> None:
    """There is one default external network at most. Raises 409."""
    if not draft.columns.get("is_default") or not draft.after("external"):
        return
    where = and_(networks.c.is_default, networks.c.external)
    if draft.row is not None:
        where = and_(where, networks.c.id != draft.row.id)
    other = tx.row(select(networks.c.id).where(where))
    if other is not None:
        raise Conflict(f"A default external network already exists: {other.id}.", code="DefaultExternalNetworkExists")


EXTENSION = Extension(
    "auto-allocated-topology",
    "Auto Allocated Topology Services",
    "Auto Allocated Topology Services.",
    listed=False,
    adds={"network": {"is_default": Attribute(boolean, False, guarded=True)}},
    rules=rules("create_network:is_default update_network:is_default", ADMIN),
    settles={"network": settle},
)
