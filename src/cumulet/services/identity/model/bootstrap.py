"""What a fresh cloud starts with: keys, the default domain, projects, roles, users, grants and the catalog.

Each step is done once in the life of a database, and marked in its transaction: what was deleted or changed since
stays so. What a newer version adds is one more step. The URLs of endpoints follow the addresses that the cloud listens
on until somebody sets one.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Table, or_, select, true

from cumulet.db import Database, Transaction, marks, select_as
from cumulet.engine import timeline
from cumulet.introduction import introductions
from cumulet.services.identity.model import generation, keys, passwords, vault
from cumulet.services.identity.tables import (
    ROOT,
    AssignmentRow,
    ImpliedRoleRow,
    assignments,
    endpoints,
    implied_roles,
    projects,
    regions,
    roles,
    services,
    users,
)

DOMAIN = "default"
PROJECTS = {"admin": "Bootstrap project for initializing the cloud.", "demo": "", "service": ""}
ROLES = ("admin", "manager", "member", "reader", "service")
IMPLIED = (("admin", "manager"), ("manager", "member"), ("member", "reader"))
INTERFACES = ("public", "internal", "admin")
ALTERNATE = "alt_demo"
"""Another user with a project of that name, as a cloud for tests has."""
FIRST = "bootstrap/first"
"""The mark of domain, projects, roles, users and grants."""
SECOND = "bootstrap/alternate"
"""The mark of `ALTERNATE`."""
CATALOG = "bootstrap/catalog/"
"""The marks of services in the catalog: this, the region, a slash and the type."""

_OF_BEFORE = re.compile(r"http://[^/]+:[0-9]+(/v3|/v2\.1)?")


def bootstrap(
    db: Database, *, secrets: Path, endpoints: Mapping[str, str], region: str, alternate: bool = False
) -> None:
    """Do what has not been done. `endpoints`: service type → URL. `alternate`: also make `ALTERNATE`, if there is a
    file of his password. Raises FileNotFoundError without the other password files."""
    for folder in ("fernet-keys", "receipt-keys", vault.FOLDER):
        keys.setup(secrets / folder)
    alternate = alternate and (secrets / f"{ALTERNATE}_password").exists()
    with db.read() as tx:
        added = service_users(_new_types(tx, endpoints)) if marks.under(tx, FIRST) else ()
        wanted = dict.fromkeys(added, "service") if marks.under(tx, FIRST) else _first_users()
        hashes = _hashes(tx, secrets, wanted)
        other = {} if not alternate or marks.under(tx, SECOND) else _hashes(tx, secrets, {ALTERNATE: ALTERNATE})
    with db.transaction() as tx:
        changed = not marks.under(tx, FIRST)
        if changed:
            _domain(tx)
            _grants(tx, _projects(tx), _roles(tx), _users(tx, hashes))
            marks.put(tx, [FIRST])
        elif hashes and (new := set(service_users(_new_types(tx, endpoints))) & hashes.keys()):
            changed = _services_users(tx, {name: hashes[name] for name in new})
        if alternate and not marks.under(tx, SECOND):
            changed |= _alternate(tx, other)
            marks.put(tx, [SECOND])
        changed |= _catalog(tx, endpoints, region)
        if _follow(tx, endpoints) or changed:
            generation.bump(tx)


def service_users(types: Iterable[str] | None = None) -> tuple[str, ...]:
    """Names of the users that services have, of all or of those `types`."""
    return tuple(each.user for each in introductions() if each.user and (types is None or each.type in types))


def _first_users() -> dict[str, str]:
    """By name, whose password file is theirs."""
    return {"admin": "admin", "demo": "demo", **dict.fromkeys(service_users(), "service")}


def _hashes(tx: Transaction, secrets: Path, wanted: Mapping[str, str]) -> dict[str, str]:
    """Hashes of the passwords of those first users that are not there. Whoever has one password has one hash: each
    takes as long as it is meant to."""
    known = _known(tx, users, users.c.domain_id == DOMAIN)
    new = {name: file for name, file in wanted.items() if name not in known}
    texts = {file: (secrets / f"{file}_password").read_text().strip() for file in new.values()}
    hashes = {file: passwords.digest(text) for file, text in texts.items()}
    return {name: hashes[file] for name, file in new.items()}


def _known(tx: Transaction, table: Table, *where: Any) -> dict[str, str]:
    wanted = select(table.c.name_key, table.c.id).where(table.c.namesake == "", *where)
    return {row.name_key: row.id for row in tx.rows(wanted)}


def _domain(tx: Transaction) -> None:
    if tx.row(select(projects.c.id).where(projects.c.id == DOMAIN)) is None:
        description = "The default domain"
        row = {"id": DOMAIN, "name": "Default", "domain_id": ROOT, "is_domain": True, "description": description}
        tx.insert(projects, row)


def _projects(tx: Transaction, wanted: Mapping[str, str] = PROJECTS) -> dict[str, str]:
    known = _known(tx, projects, projects.c.domain_id == DOMAIN)
    new = [
        {"id": uuid.uuid4().hex, "name": name, "domain_id": DOMAIN, "parent_id": DOMAIN, "description": description}
        for name, description in wanted.items()
        if name not in known
    ]
    tx.insert(projects, new)
    for row in new:
        timeline.record(tx, str(row["id"]), "created", "The first start of the cloud made the project.")
    return known | {str(row["name"]): str(row["id"]) for row in new}


def _roles(tx: Transaction) -> dict[str, str]:
    known = _known(tx, roles, roles.c.domain_id == "")
    new: list[dict[str, Any]] = [
        {"id": uuid.uuid4().hex, "name": name, "options": {"immutable": True}} for name in ROLES if name not in known
    ]
    tx.insert(roles, new)
    ids = known | {row["name"]: row["id"] for row in new}
    if new:
        there = {(row.prior_id, row.implied_id) for row in tx.rows(select_as(ImpliedRoleRow))}
        rules = [(ids[prior], ids[implied]) for prior, implied in IMPLIED]
        missing = [rule for rule in rules if rule not in there]
        tx.insert(implied_roles, [{"prior_id": prior, "implied_id": implied} for prior, implied in missing])
    return ids


def _alternate(tx: Transaction, hashes: Mapping[str, str]) -> bool:
    """The alternate user, a member of a project of his; whether he was made: a user of that name is somebody's."""
    if not hashes:
        return False
    known = _known(tx, projects, projects.c.domain_id == DOMAIN)
    project_ids = known if ALTERNATE in known else _projects(tx, {ALTERNATE: ""})
    role_ids = _known(tx, roles, roles.c.domain_id == "")
    _grants(tx, project_ids, role_ids, {ALTERNATE: _users(tx, hashes)[ALTERNATE]})
    return True


def make_admin(tx: Transaction, hashed: str) -> None:
    """The user admin again, whom somebody has deleted, with the grants of a first start as far as projects and roles
    for them are there."""
    ids = _users(tx, {"admin": hashed})
    known = _known(tx, projects, projects.c.domain_id == DOMAIN), _known(tx, roles, roles.c.domain_id == "")
    _grants(tx, *known, {"admin": ids["admin"]})


def administrators(tx: Transaction) -> set[str]:
    """Ids of users and groups that have the role admin for the system or in the project admin."""
    admin = _known(tx, roles, roles.c.domain_id == "", roles.c.name == "admin").get("admin")
    project = _known(tx, projects, projects.c.domain_id == DOMAIN, projects.c.name == "admin").get("admin")
    found = select(assignments.c.actor_id).where(
        assignments.c.role_id == admin, assignments.c.target_id.in_(["system", project or "system"])
    )
    return {row.actor_id for row in tx.rows(found)}


def _users(tx: Transaction, hashes: Mapping[str, str]) -> dict[str, str]:
    known = _known(tx, users, users.c.domain_id == DOMAIN, users.c.name_key.in_([*_first_users(), ALTERNATE]))
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
    for row in new:
        timeline.record(tx, row["id"], "created", "The cloud itself made the user.")
    return known | {row["name"]: row["id"] for row in new}


def _grants(tx: Transaction, project_ids: Mapping[str, str], role_ids: Mapping[str, str], user_ids: Any) -> None:
    """What the first users may do, as far as users, projects and roles are there."""
    wanted = [
        ("admin", "project", project_ids.get("admin"), "admin"),
        ("admin", "system", "system", "admin"),
        ("admin", "project", project_ids.get("demo"), "admin"),
        ("demo", "project", project_ids.get("demo"), "member"),
        (ALTERNATE, "project", project_ids.get(ALTERNATE), "member"),
        *((name, "project", project_ids.get("service"), "admin") for name in service_users()),
        *((name, "project", project_ids.get("service"), "service") for name in service_users()),
    ]
    there = {
        (row.actor_id, row.target_type, row.target_id, row.role_id)
        for row in tx.rows(select_as(AssignmentRow).where(assignments.c.actor_id.in_(list(user_ids.values()))))
    }
    rows = []
    for user, kind, target, role in wanted:
        if user not in user_ids or target is None or role not in role_ids:
            continue
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


def _new_types(tx: Transaction, urls: Iterable[str]) -> set[str]:
    """Those types that no region's catalog has ever had."""
    return set(urls) - {name.rpartition("/")[2] for name in marks.under(tx, CATALOG)}


def _services_users(tx: Transaction, hashes: Mapping[str, str]) -> bool:
    """Users of services that a newer version has brought, as far as the project and the roles for them are there."""
    known = _known(tx, projects, projects.c.domain_id == DOMAIN), _known(tx, roles, roles.c.domain_id == "")
    ids = _users(tx, hashes)
    _grants(tx, *known, {name: ids[name] for name in hashes})
    return True


def _catalog(tx: Transaction, urls: Mapping[str, str], region: str) -> bool:
    """Services and endpoints of those types that this region has not had yet; whether there were any."""
    done = marks.under(tx, CATALOG)
    new = [each for each in urls if f"{CATALOG}{region}/{each}" not in done]
    if not new:
        return False
    if tx.row(select(regions.c.id).where(regions.c.id == region)) is None:
        tx.insert(regions, {"id": region})
    ids = {row.type: row.id for row in tx.rows(select(services.c.type, services.c.id))}
    made = {each: uuid.uuid4().hex for each in new if each not in ids}
    names = {each.type: each.project for each in introductions()}
    tx.insert(services, [{"id": made[each], "type": each, "name": names.get(each, each)} for each in made])
    ids |= made
    here = select(endpoints.c.service_id, endpoints.c.interface).where(endpoints.c.region_id == region)
    there = {(row.service_id, row.interface) for row in tx.rows(here)}
    tx.insert(
        endpoints,
        [
            {"id": uuid.uuid4().hex, "service_id": ids[each], "interface": interface, "url": urls[each]}
            | {"region_id": region, "follows": True}
            for each in new
            for interface in INTERFACES
            if (ids[each], interface) not in there
        ],
    )
    marks.put(tx, [f"{CATALOG}{region}/{each}" for each in new])
    return True


def _follow(tx: Transaction, urls: Mapping[str, str]) -> bool:
    """Endpoints whose URL is ours get today's; whether there were any."""
    ours = select(endpoints.c.id, endpoints.c.url, endpoints.c.follows, services.c.type).join(
        services, services.c.id == endpoints.c.service_id
    )
    changed = False
    for row in tx.rows(ours.where(or_(endpoints.c.follows == true(), endpoints.c.follows.is_(None)))):
        url = urls.get(row.type)
        follows = url is not None and (row.follows or _was_ours(row.url))
        if not follows and row.follows is None:
            tx.update(endpoints, endpoints.c.id == row.id, follows=False)
        elif follows and (row.url, row.follows) != (url, True):
            tx.update(endpoints, endpoints.c.id == row.id, follows=True, url=url)
            changed |= row.url != url
    return changed


def _was_ours(url: str) -> bool:
    """Whether a URL of before anybody asked is of the form that Cumulet wrote at each start then."""
    return _OF_BEFORE.fullmatch(url) is not None
