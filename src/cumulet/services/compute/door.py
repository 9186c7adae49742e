"""Compute's door: what the process assembly and other services may use of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import and_, func, or_, select

from cumulet.db import Transaction
from cumulet.db.in_list import in_list
from cumulet.desired.kinds import Kind
from cumulet.desired.questions import MetadataQuestion
from cumulet.engine import Engine
from cumulet.fleet import door as fleet
from cumulet.fleet.service import Subject
from cumulet.http import Reply
from cumulet.services.compute import flows
from cumulet.services.compute.context import ComputeContext, Deadlines
from cumulet.services.compute.metadata import answers
from cumulet.services.compute.metadata.api import place_of
from cumulet.services.compute.model import guest_reports, guests, hosts
from cumulet.services.compute.model.adoption import adopt, follow, vet
from cumulet.services.compute.model.guests import with_ports
from cumulet.services.compute.model.retention import forget, kept
from cumulet.services.compute.tables import flavors, servers

__all__ = [
    "ComputeContext",
    "Deadlines",
    "adopt",
    "boots_from",
    "ended",
    "find",
    "follow",
    "forget",
    "hosts_changed",
    "hosts_left",
    "image_name",
    "kept",
    "metadata",
    "names",
    "register",
    "renderers",
    "reports",
    "server_counts",
    "vet",
    "with_ports",
]


def register(engine: Engine, context: ComputeContext) -> None:
    """Make compute's flows known to the engine; call once, before anything starts one."""
    flows.register(engine, context)


def renderers(context: ComputeContext) -> dict[Kind, fleet.Renderer]:
    """How guests are rendered for their nodes."""
    return {"guest": guests.renderer(place_of(context))}


def reports(engine: Engine) -> dict[Kind, fleet.ReportHandler]:
    """What becomes of nodes' reports on guests."""
    return {"guest": guest_reports.handler(engine)}


def hosts_changed(tx: Transaction, names: Sequence[str]) -> None:
    """Hosts joined, or their facts changed: placement learns what they have."""
    hosts.joined(tx, names)


def hosts_left(tx: Transaction, names: Sequence[str]) -> None:
    """Nodes do not name these hosts any more."""
    hosts.left(tx, names)


def server_counts(tx: Transaction) -> dict[str, int]:
    """Servers that are not deleted, by state (``vm_state``)."""
    query = (
        select(servers.c.vm_state, func.count().label("number"))
        .where(servers.c.deleted_at.is_(None))
        .group_by(servers.c.vm_state)
    )
    return {row.vm_state: row.number for row in tx.rows(query)}


def ended(tx: Transaction, link_id: str, refs: Sequence[str]) -> set[str]:
    """Which of these servers were deleted, or live on another node: on this one they are unwanted."""
    over = or_(servers.c.deleted_at.is_not(None), servers.c.link_id != link_id)
    return {row.id for row in tx.rows(select(servers.c.id).where(in_list(servers.c.id, refs), over))}


def metadata(context: ComputeContext) -> Callable[[Transaction, str, MetadataQuestion], Reply]:
    """Answers guests' questions that nodes bring over the link, given the link's id. The answer raises 404 for an
    unknown guest."""
    place = place_of(context)

    def reply(tx: Transaction, link_id: str, question: MetadataQuestion) -> Reply:
        return answers.answer(tx, answers.of_question(tx, link_id, question), question.path, place)

    return reply


def names(tx: Transaction, ids: Sequence[str]) -> dict[str, str]:
    """Names of servers, deleted ones as well. One query."""
    return {row.id: row.name for row in tx.rows(select(servers.c.id, servers.c.name).where(servers.c.id.in_(ids)))}


def image_name(tx: Transaction, image_id: str) -> str:
    """What an image was called when a server was made of it; empty when no server knows. One query."""
    row = tx.row(select(servers.c.image).where(servers.c.image_id == image_id, servers.c.image.is_not(None)).limit(1))
    return str((row.image or {}).get("name", "")) if row is not None else ""


def boots_from(tx: Transaction, link_id: str, image_id: str) -> bool:
    """Whether a server that is on this link now needs the image: to boot from, or as the kernel or ramdisk that was
    looked up as its creator saw it. One query."""
    withheld = servers.c.image[guests.WITHHELD].as_boolean()
    needs = or_(
        servers.c.image_id == image_id,
        servers.c.image[("kernel", "id")].as_string() == image_id,
        servers.c.image[("ramdisk", "id")].as_string() == image_id,
    )
    here = and_(servers.c.link_id == link_id, servers.c.deleted_at.is_(None), withheld.is_not(True))
    return tx.row(select(servers.c.id).where(here, needs).limit(1)) is not None


def find(tx: Transaction, text: str) -> Sequence[Subject]:
    """Servers with this id or name, the newest 20, and the flavor, for ``explain``. Two queries."""
    where = or_(servers.c.id == text, servers.c.name == text)
    query = select(servers.c.id, servers.c.name).where(where).order_by(servers.c.number.desc()).limit(20)
    kinds = select(flavors.c.id, flavors.c.name).where(or_(flavors.c.id == text, flavors.c.name == text)).limit(20)
    return [
        *(Subject("server", row.id, row.name) for row in tx.rows(query)),
        *(Subject("flavor", row.id, row.name) for row in tx.rows(kinds)),
    ]
