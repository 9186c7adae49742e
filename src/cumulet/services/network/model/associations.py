"""The ends of floating ips at ports: dropped when the port or its address goes, and the router's link learns it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from sqlalchemy import ColumnElement, and_, select, update

from cumulet.db import Transaction
from cumulet.fleet import door as fleet
from cumulet.services.network.tables import floatingips, routers


def router_changed(tx: Transaction, router_ids: Iterable[str | None]) -> None:
    """What the routers shall do changed."""
    ids = {id for id in router_ids if id}
    if not ids:
        return
    where = and_(routers.c.id.in_(ids), routers.c.link_id.is_not(None))
    for row in tx.rows(select(routers.c.id, routers.c.link_id).where(where)):
        fleet.publish(tx, link_id=row.link_id, kind="router", ref=row.id)


def drop_ports(tx: Transaction, port_ids: Sequence[str], only: Collection[str] | None = None) -> None:
    """Floating ips let go of the ports (of their addresses `only`)."""
    where: ColumnElement[bool] = floatingips.c.port_id.in_(port_ids)
    if only is not None:
        where = and_(where, floatingips.c.fixed_ip_address.in_(only))
    rows = tx.rows(select(floatingips.c.id, floatingips.c.router_id).where(where))
    if not rows:
        return
    tx.execute(
        update(floatingips)
        .where(floatingips.c.id.in_([row.id for row in rows]))
        .values(
            port_id=None,
            fixed_ip_address=None,
            router_id=None,
            status="DOWN",
            updated_at=tx.now,
            revision_number=floatingips.c.revision_number + 1,
        )
    )
    router_changed(tx, [row.router_id for row in rows])
