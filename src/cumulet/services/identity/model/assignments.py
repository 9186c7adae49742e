"""Grants: an actor (user, group) has a role on a target (project, domain, system), or on what is below it."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from sqlalchemy import ColumnElement, and_, select

from cumulet.db import Transaction, select_as
from cumulet.engine import timeline
from cumulet.http.faults import NotAllowed, NotFound
from cumulet.services.identity.model import generation
from cumulet.services.identity.tables import ProjectRow, RoleRow, assignments, roles


class Place(Struct, frozen=True):
    """Who, and where: an actor ('user', 'group') and a target ('project', 'domain', 'system')."""

    actor_type: str
    actor_id: str
    target_type: str
    target_id: str
    inherited: bool = False

    def condition(self) -> ColumnElement[bool]:
        """This place, as a condition on `assignments`."""
        return and_(
            assignments.c.actor_id == self.actor_id,
            assignments.c.target_type == self.target_type,
            assignments.c.target_id == self.target_id,
            assignments.c.inherited == self.inherited,
        )


def granted(tx: Transaction, place: Place) -> Sequence[RoleRow]:
    """Roles granted at `place`. One query."""
    wanted = select_as(RoleRow).join(assignments, assignments.c.role_id == roles.c.id).where(place.condition())
    return tx.rows(wanted.order_by(roles.c.id))


def check(tx: Transaction, place: Place, role_id: str) -> None:
    """Raise 404 unless the role is granted there. One query."""
    wanted = select(assignments.c.role_id).where(place.condition(), assignments.c.role_id == role_id)
    if tx.row(wanted) is None:
        raise _nothing(place, role_id)


def grant(tx: Transaction, place: Place, role: RoleRow, target: ProjectRow | None) -> None:
    """Grant the role; granting it again is fine. Raises 403 for a role of another domain than the project's."""
    of_project = target is not None and place.target_type == "project"
    if target is not None and of_project and role.domain_id and target.domain_id != role.domain_id:
        raise NotAllowed(f"Project {target.id} must be in the same domain as the role {role.id} being assigned.")
    where = and_(place.condition(), assignments.c.role_id == role.id)
    if tx.row(select(assignments.c.role_id).where(where)) is not None:
        return
    row = {
        "actor_type": place.actor_type,
        "actor_id": place.actor_id,
        "target_type": place.target_type,
        "target_id": place.target_id,
        "role_id": role.id,
        "inherited": place.inherited,
    }
    tx.insert(assignments, row)
    _tell(tx, place, "granted", f"The role {role.name} was granted")
    generation.bump(tx)


def revoke(tx: Transaction, place: Place, role_id: str) -> None:
    """Take the role away. Raises 404. Application credentials stay, and are worth what is left, as in Keystone."""
    if not tx.delete(assignments, and_(place.condition(), assignments.c.role_id == role_id)):
        raise _nothing(place, role_id)
    name = tx.scalar(select(roles.c.name).where(roles.c.id == role_id))
    _tell(tx, place, "revoked", f"The role {name or role_id} was taken away")
    generation.bump(tx)


def _tell(tx: Transaction, place: Place, event: str, what: str) -> None:
    """In the timeline of a user; groups have none that would ever end."""
    if place.actor_type == "user":
        target = place.target_type if place.target_type == "system" else f"{place.target_type} {place.target_id}"
        below = " and all below it" if place.inherited else ""
        timeline.record(tx, place.actor_id, event, f"{what} on the {target}{below}.")


def _nothing(place: Place, role_id: str) -> NotFound:
    return NotFound(
        f"Could not find role assignment with role: {role_id}, user or group: {place.actor_id}, project, domain, or "
        f"system: {place.target_id}."
    )
