"""How much of a project's limits its images take, and the refusal of what would be too much.

Limits are identity's (unified limits, registered for this service); a project without one is not limited. Sizes count
in MiB, once per store that has the bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, and_, case, func, or_, select

from cumulet.db import Transaction
from cumulet.http.faults import TooLarge
from cumulet.services.image.states import IMPORTING, SAVING, UPLOADING
from cumulet.services.image.tables import images, locations

if TYPE_CHECKING:
    from cumulet.services.image.context import ImageContext

SIZE, STAGED, COUNT, UPLOADS = "image_size_total", "image_stage_total", "image_count_total", "image_count_uploading"
RESOURCES = (SIZE, STAGED, COUNT, UPLOADS)
MIB = 1 << 20

Limits = Callable[[Transaction, str], Mapping[str, int]]
"""(transaction, project) → limits by resource, -1 for none."""


def unlimited(_tx: Transaction, _project_id: str) -> Mapping[str, int]:
    """No limits."""
    return {}


def usage(tx: Transaction, project_id: str) -> dict[str, int]:
    """What the project's images take, by resource. Two queries."""
    copying = and_(images.c.importing_to_stores.is_not(None), images.c.importing_to_stores != "")
    staged = or_(images.c.status.in_((UPLOADING, IMPORTING)), copying)
    coming = or_(images.c.status.in_((SAVING, UPLOADING, IMPORTING)), copying)
    mine = and_(images.c.owner == project_id, images.c.deleted_at.is_(None))
    row = tx.row(
        select(
            func.count().label("images"),
            _total(coming, 1).label("coming"),
            _total(staged, images.c.size).label("staged"),
        ).where(mine)
    )
    joined = images.join(locations, locations.c.image_id == images.c.id)
    kept = tx.scalar(select(func.sum(images.c.size)).select_from(joined).where(mine))
    assert row is not None
    return {
        SIZE: int(kept or 0) // MIB,
        STAGED: int(row.staged or 0) // MIB,
        COUNT: int(row.images),
        UPLOADS: int(row.coming or 0),
    }


def _total(when: ColumnElement[bool], value: ColumnElement[int] | int) -> ColumnElement[int]:
    return func.sum(case((when, func.coalesce(value, 0)), else_=0))


def shown(tx: Transaction, context: ImageContext, project_id: str | None) -> dict[str, dict[str, int]]:
    """Usage and limit by resource, -1 where there is no limit. Three queries at most."""
    if project_id is None:
        return {}
    limits, used = context.limits(tx, project_id), usage(tx, project_id)
    return {name: {"usage": used[name], "limit": limits.get(name, -1)} for name in RESOURCES}


def require(tx: Transaction, context: ImageContext, project_id: str | None, **deltas: int) -> None:
    """Raise 413 when the project's images with `deltas` (by resource, sizes in MiB) are over a limit."""
    limits = context.limits(tx, project_id) if project_id is not None else {}
    bounded = {name: limits[name] for name in deltas if limits.get(name, -1) >= 0}
    if not bounded or project_id is None:
        return
    used = usage(tx, project_id)
    over = [
        f"Resource {name} is over limit of {most} due to current usage {used[name]} and delta {deltas[name]}"
        for name, most in bounded.items()
        if used[name] + deltas[name] > most
    ]
    if over:
        raise TooLarge(
            "The request returned a 413 Request Entity Too Large. This generally means that rate limiting or a quota "
            "threshold was breached.\n\nThe response body:\n"
            f"Project {project_id} is over a limit for [{', '.join(over)}]"
        )
