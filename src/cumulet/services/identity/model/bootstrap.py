"""What a fresh cloud starts with: keys, the default domain, projects, roles, users, grants and the catalog.

Idempotent: what is there stays as it is, above all passwords that were changed since. The only exception are the URLs
of the endpoints it made, which follow the addresses the cloud listens on.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Table, func, select

from cumulet.services.identity.model import generation, keys, passwords, vault
from cumulet.services.identity.tables import (
    ROOT,
    assignments,
    endpoints,
    implied_roles,
    projects,
    regions,
    roles,
    services,
    users,
)
from cumulet.store import Store, Transaction

DOMAIN = "default"
PROJECTS = {"admin": "Bootstrap project for initializing the cloud.", "demo": "", "service": ""}
ROLES = ("admin", "manager", "member", "reader", "service")
IMPLIED = (("admin", "manager"), ("manager", "member"), ("member", "reader"))
NAMES = {
    "identity": "keystone",
    "image": "glance",
    "compute": "nova",
    "placement": "placement",
    "network": "neutron",
    "block-storage": "cinder",
}
SERVICE_USERS = ("glance", "nova", "placement", "neutron")
INTERFACES = ("public", "internal", "admin")


def bootstrap(store: Store, *, secrets: Path, endpoints: Mapping[str, str], region: str) -> None:
    """Make what is missing. `endpoints`: service type → URL. Raises FileNotFoundError without the password files."""
    for folder in ("fernet-keys", "receipt-keys", vault.FOLDER):
        keys.setup(secrets / folder)
    with store.read() as tx:
        known = {row.name for row in tx.rows(select(users.c.name).where(users.c.domain_id == DOMAIN))}
    hashes = {}
    wanted = {"admin": "admin", "demo": "demo", **dict.fromkeys(SERVICE_USERS, "service")}
    for name, file in wanted.items():
        if name not in known:
            hashes[name] = passwords.digest((secrets / f"{file}_password").read_text().strip())
    with store.transaction() as tx:
        before = _counted(tx)
        _domain(tx)
        project_ids = _projects(tx)
        role_ids = _roles(tx)
        user_ids = _users(tx, hashes, list(wanted))
        _grants(tx, project_ids, role_ids, user_ids)
        changed = _catalog(tx, endpoints, region)
        if changed or _counted(tx) != before:
            generation.bump(tx)


def _counted(tx: Transaction) -> tuple[int, ...]:
    tables = (projects, roles, implied_roles, users, assignments, regions, services, endpoints)
    return tuple(tx.scalar(select(func.count()).select_from(table)) for table in tables)


def _known(tx: Transaction, table: Table, *where: Any) -> dict[str, str]:
    return {row.name: row.id for row in tx.rows(select(table.c.name, table.c.id).where(*where))}


def _domain(tx: Transaction) -> None:
    if tx.row(select(projects.c.id).where(projects.c.id == DOMAIN)) is None:
        description = "The default domain"
        row = {"id": DOMAIN, "name": "Default", "domain_id": ROOT, "is_domain": True, "description": description}
        tx.insert(projects, row)


def _projects(tx: Transaction) -> dict[str, str]:
    known = _known(tx, projects, projects.c.domain_id == DOMAIN)
    new = [
        {"id": uuid.uuid4().hex, "name": name, "domain_id": DOMAIN, "parent_id": DOMAIN, "description": description}
        for name, description in PROJECTS.items()
        if name not in known
    ]
    tx.insert(projects, new)
    return known | {str(row["name"]): str(row["id"]) for row in new}


def _roles(tx: Transaction) -> dict[str, str]:
    known = _known(tx, roles, roles.c.domain_id == "")
    new: list[dict[str, Any]] = [
        {"id": uuid.uuid4().hex, "name": name, "options": {"immutable": True}} for name in ROLES if name not in known
    ]
    tx.insert(roles, new)
    ids = known | {row["name"]: row["id"] for row in new}
    if new:
        there = {(row.prior_id, row.implied_id) for row in tx.rows(select(implied_roles))}
        rules = [(ids[prior], ids[implied]) for prior, implied in IMPLIED]
        missing = [rule for rule in rules if rule not in there]
        tx.insert(implied_roles, [{"prior_id": prior, "implied_id": implied} for prior, implied in missing])
    return ids


def _users(tx: Transaction, hashes: Mapping[str, str], names: list[str]) -> dict[str, str]:
    known = _known(tx, users, users.c.domain_id == DOMAIN, users.c.name.in_(names))
    new: list[dict[str, Any]] = [
        {
            "id": uuid.uuid4().hex,
            "name": name,
            "domain_id": DOMAIN,
            "password_hash": hashed,
            "password_created_at": tx.now,
            "created_at": tx.now,
        }
        for name, hashed in hashes.items()
        if name not in known
    ]
    tx.insert(users, new)
    return known | {row["name"]: row["id"] for row in new}


def _grants(tx: Transaction, project_ids: Mapping[str, str], role_ids: Mapping[str, str], user_ids: Any) -> None:
    wanted = [
        ("admin", "project", project_ids["admin"], "admin"),
        ("admin", "system", "system", "admin"),
        ("admin", "project", project_ids["demo"], "admin"),
        ("demo", "project", project_ids["demo"], "member"),
        *((name, "project", project_ids["service"], "admin") for name in SERVICE_USERS),
        *((name, "project", project_ids["service"], "service") for name in SERVICE_USERS),
    ]
    there = {
        (row.actor_id, row.target_type, row.target_id, row.role_id)
        for row in tx.rows(select(assignments).where(assignments.c.actor_id.in_(list(user_ids.values()))))
    }
    rows = []
    for user, kind, target, role in wanted:
        if (user_ids[user], kind, target, role_ids[role]) not in there:
            rows.append(
                {
                    "actor_id": user_ids[user],
                    "actor_type": "user",
                    "target_type": kind,
                    "target_id": target,
                    "role_id": role_ids[role],
                    "inherited": False,
                }
            )
    tx.insert(assignments, rows)


def _catalog(tx: Transaction, urls: Mapping[str, str], region: str) -> bool:
    """Services and their endpoints; whether a URL had to follow."""
    if tx.row(select(regions.c.id).where(regions.c.id == region)) is None:
        tx.insert(regions, {"id": region})
    known = {row.type: row.id for row in tx.rows(select(services.c.type, services.c.id))}
    new = [{"id": uuid.uuid4().hex, "type": t, "name": NAMES.get(t, t)} for t in urls if t not in known]
    tx.insert(services, new)
    ids = known | {row["type"]: row["id"] for row in new}
    there = {
        (row.service_id, row.interface): row
        for row in tx.rows(select(endpoints).where(endpoints.c.region_id == region))
    }
    rows, changed = [], False
    for service_type, url in urls.items():
        for interface in INTERFACES:
            found = there.get((ids[service_type], interface))
            if found is None:
                row = {"service_id": ids[service_type], "interface": interface, "url": url, "region_id": region}
                rows.append({"id": uuid.uuid4().hex, **row})
            elif found.url != url:
                changed = bool(tx.update(endpoints, endpoints.c.id == found.id, url=url))
    tx.insert(endpoints, rows)
    return changed
