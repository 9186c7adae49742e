"""Rows of servers written straight into the tables, everything that servers hold anywhere, and what a guest is told."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select

from cumulet.desired.questions import MetadataQuestion
from cumulet.fleet.tables import desired
from cumulet.services.compute import door
from cumulet.services.compute.tables import servers, usages
from cumulet.services.network.tables import ports
from cumulet.services.placement.tables import allocations
from tests.services.compute.conftest import IMAGE, NETWORK, Nova, new_id, show
from tests.services.serving import PROJECTS


def held(nova: Nova) -> dict[str, Any]:
    """Everything that servers hold anywhere."""
    with nova.db.read() as tx:
        usage = tx.row(select(func.sum(usages.c.instances), func.sum(usages.c.cores), func.sum(usages.c.ram)))
        assert usage is not None
        return {
            "ports": tx.scalar(select(func.count()).select_from(ports).where(ports.c.device_owner.like("compute:%"))),
            "claims": tx.scalar(select(func.count(func.distinct(allocations.c.consumer_uuid)))),
            "guests": tx.scalar(select(func.count()).select_from(desired).where(desired.c.kind == "guest")),
            "usage": tuple(int(value or 0) for value in usage),
            "servers": tx.scalar(select(func.count()).select_from(servers).where(servers.c.deleted_at.is_(None))),
        }


NOTHING = {"ports": 0, "claims": 0, "guests": 0, "usage": (0, 0, 0), "servers": 0}


def rows(nova: Nova, count: int, **values: Any) -> list[str]:
    """Servers written straight into the table, a second apart; their ids, oldest first."""
    ids = []
    with nova.db.transaction() as tx:
        for index in range(count):
            row = {
                "id": new_id(),
                "project_id": PROJECTS["demo"],
                "user_id": "demo".ljust(32, "0"),
                "name": f"vm-{index:04d}",
                "hostname": f"vm-{index:04d}",
                "vm_state": "active",
                "host": "compute1",
                "link_id": nova.node.link_id,
                "image_id": IMAGE,
                "flavor_id": "1",
                "flavor": {"name": "m1.tiny", "disk": 1, "ephemeral": 0, "swap": 0, "extra_specs": {}},
                "vcpus": 1,
                "ram": 512,
                "meta": {"n": str(index)},
                "personality": [],
                "reservation_id": "r-x",
                "seed": "s",
                "created_at": tx.now + index * 1_000_000,
                "updated_at": tx.now + index * 1_000_000,
                "launched_at": tx.now,
                "power_state": 1,
                **values,
            }
            tx.insert(servers, row)
            ids.append(row["id"])
        tx.upsert(usages, {"project_id": PROJECTS["demo"]}, instances=count, cores=count, ram=512 * count)
    return ids


def ask(nova: Nova, guest: str, path: str) -> bytes:
    """As a node asks over the link."""
    with nova.client() as demo:
        address = show(demo, guest)["addresses"]["private"][0]["addr"]
    question = MetadataQuestion(method="GET", path=path, address=address, network_id=NETWORK)
    with nova.db.read() as tx:
        body = door.metadata(nova.context)(tx, nova.node.link_id, question).body
    assert isinstance(body, bytes)
    return body
