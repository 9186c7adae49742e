"""What every token needs and few writes change: all roles, what they imply, and the catalog, kept per generation.

A process keeps one snapshot; it is thrown away when the generation moves. Holds no users and no projects.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec import Struct
from sqlalchemy import select

from cumulet.db import Transaction, select_as
from cumulet.services.identity.model import endpoint_filters
from cumulet.services.identity.tables import (
    ImpliedRoleRow,
    ServiceProviderRow,
    endpoints,
    roles,
    service_providers,
    services,
)


class Snapshot(Struct, frozen=True):
    """`roles`: id → (name, domain id or ""). `implied`: id → ids it implies, at any depth. `catalog`: services with
    their enabled endpoints, URLs not yet filled in. `service_providers`: the enabled ones, as tokens list them.
    `endpoints_of`: project id → ids of the endpoints it sees, of projects that do not see all."""

    generation: int
    roles: dict[str, tuple[str, str]]
    implied: dict[str, frozenset[str]]
    catalog: list[dict[str, Any]]
    service_providers: list[dict[str, str]]
    endpoints_of: dict[str, frozenset[str]]

    def catalog_of(self, project_id: str | None) -> list[dict[str, Any]]:
        """The catalog that a project sees: all of it, or the endpoints associated with the project."""
        seen = self.endpoints_of.get(project_id) if project_id else None
        if seen is None:
            return self.catalog
        found = []
        for service in self.catalog:
            endpoints = [endpoint for endpoint in service["endpoints"] if endpoint["id"] in seen]
            if endpoints:
                found.append({**service, "endpoints": endpoints})
        return found

    def effective(self, role_ids: Iterable[str], *, implied: bool = True) -> list[tuple[str, str]]:
        """(id, name) of the roles and all they imply, without domain-specific ones, in the order of their names."""
        found: set[str] = set()
        for role_id in role_ids:
            found |= {role_id, *(self.implied.get(role_id, ()) if implied else ())}
        known = [(i, self.roles[i][0]) for i in found if i in self.roles and not self.roles[i][1]]
        return sorted(known, key=lambda role: (role[1], role[0]))


def load(tx: Transaction, generation: int) -> Snapshot:
    """Read a snapshot. Six queries, seven when there are endpoint groups."""
    known = {row.id: (row.name, row.domain_id) for row in tx.rows(select(roles.c.id, roles.c.name, roles.c.domain_id))}
    return Snapshot(generation, known, closure(tx), _catalog(tx), _service_providers(tx), endpoint_filters.narrowed(tx))


def closure(tx: Transaction) -> dict[str, frozenset[str]]:
    """Role id → every role it implies, directly or through others. One query."""
    direct: dict[str, set[str]] = {}
    for row in tx.rows(select_as(ImpliedRoleRow)):
        direct.setdefault(row.prior_id, set()).add(row.implied_id)
    whole: dict[str, frozenset[str]] = {}
    for start in direct:
        seen: set[str] = set()
        ahead = [start]
        while ahead:
            for following in direct.get(ahead.pop(), ()):
                if following not in seen:
                    seen.add(following)
                    ahead.append(following)
        whole[start] = frozenset(seen - {start})
    return whole


def _service_providers(tx: Transaction) -> list[dict[str, str]]:
    wanted = select_as(ServiceProviderRow).where(service_providers.c.enabled).order_by(service_providers.c.id)
    return [{"id": row.id, "auth_url": row.auth_url, "sp_url": row.sp_url} for row in tx.rows(wanted)]


def _catalog(tx: Transaction) -> list[dict[str, Any]]:
    joined = (
        select(
            services.c.id.label("service_id"),
            services.c.type,
            services.c.name,
            endpoints.c.id,
            endpoints.c.interface,
            endpoints.c.region_id,
            endpoints.c.url,
        )
        .select_from(services.outerjoin(endpoints, (endpoints.c.service_id == services.c.id) & endpoints.c.enabled))
        .where(services.c.enabled)
        .order_by(services.c.type, services.c.id, endpoints.c.region_id, endpoints.c.interface, endpoints.c.id)
    )
    found: dict[str, dict[str, Any]] = {}
    for row in tx.rows(joined):
        entry = {"endpoints": [], "id": row.service_id, "type": row.type, "name": row.name or ""}
        service = found.setdefault(row.service_id, entry)
        if row.id is not None:
            service["endpoints"].append(
                {
                    "id": row.id,
                    "interface": row.interface,
                    "region_id": row.region_id,
                    "url": row.url,
                    "region": row.region_id,
                }
            )
    return list(found.values())
