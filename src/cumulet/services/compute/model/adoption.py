"""Servers, made of guests that nodes keep. A server that has a row, alive or deleted, stays what its row says."""

from __future__ import annotations

import secrets
import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import func, select, update

from cumulet.db import Transaction, select_as
from cumulet.db.in_list import in_list
from cumulet.desired.guest import Guest, GuestRecord
from cumulet.desired.records import Owner
from cumulet.engine import timeline
from cumulet.fleet import door as fleet
from cumulet.fleet.door import Adoption, Thing
from cumulet.services.compute import states
from cumulet.services.compute.model import quotas, scheduling
from cumulet.services.compute.model.guests import SAME, WITHHELD
from cumulet.services.compute.model.server_create import hostname_of
from cumulet.services.compute.tables import FlavorRow, flavor_access, flavors, keypairs, server_tags, servers
from cumulet.services.compute.tables import quotas as quota_rows
from cumulet.services.compute.verbs import VERBS
from cumulet.services.compute.verbs.adopt import ADOPT
from cumulet.services.image import door as image
from cumulet.services.placement import door as placement

MOST_NUMBER = 1 << 30
"""Numbers of guests beyond are nobody's: as many must be left for servers to come."""


def vet(tx: Transaction, adoption: Adoption) -> None:
    """Leave the guests that cannot become servers. Four queries."""
    things = adoption.of_kind("guest")
    rows = tx.rows(select(servers.c.id, servers.c.deleted_at).where(in_list(servers.c.id, [t.ref for t in things])))
    known = {row.id: "was deleted; forget it, to be rid of it" if row.deleted_at else "has a row" for row in rows}
    of_number = {row.number: row for row in tx.rows(select(servers.c.number, servers.c.host, servers.c.deleted_at))}
    adoption.busy |= set(tx.execute(select(servers.c.project_id).distinct()).scalars())
    for table in (servers, keypairs):
        adoption.busy |= set(tx.execute(select(table.c.user_id).distinct()).scalars())
    newest: dict[str, Thing] = {}
    numbers: dict[int, str] = {}
    for thing in things:
        number = _number(thing.spec)
        taken = of_number.get(number)
        if thing.ref in known:
            adoption.leave(thing, f"server {thing.ref} {known[thing.ref]}")
        elif thing.ref in newest:
            adoption.leave(newest[thing.ref], f"{thing.host.name} and {newest[thing.ref].host.name} both have it")
        elif number > MOST_NUMBER or numbers.get(number, thing.ref) != thing.ref:
            adoption.leave(thing, f"its name {thing.spec.name} is another guest's, or none of this cloud's")
        elif taken is not None and taken.host is not None and taken.deleted_at is None:
            adoption.leave(thing, f"its name {thing.spec.name} is another server's")
        else:
            newest[thing.ref], numbers[number] = thing, thing.ref
    _give_way(tx, [number for number in numbers if number in of_number])


def _number(spec: Guest) -> int:
    """The server's number, of which its guest's name is made."""
    return int(spec.name.removeprefix("instance-"), 16)


def _give_way(tx: Transaction, taken: Sequence[int]) -> None:
    """Rows without a guest anywhere get other numbers than those that guests have."""
    if not taken:
        return
    highest = int(tx.scalar(select(func.max(servers.c.number))) or 0)
    free = max(highest, *taken)
    for number in taken:
        free += 1
        tx.execute(update(servers).where(servers.c.number == number).values(number=free))


def adopt(tx: Transaction, adoption: Adoption) -> None:
    """Make servers of the guests that are left, with their claims, and tell their nodes."""
    things = adoption.of_kind("guest")
    if not things:
        return
    by_size = _flavors(tx, things)
    withheld = _withheld(tx, things)
    rows, tags = [], []
    for thing in things:
        rows.append(_row(tx, thing, by_size[_size(thing.spec)]))
        if thing.ref in withheld:
            rows[-1]["image"][WITHHELD] = True
        record: GuestRecord | None = thing.spec.record
        tags += [{"server_id": thing.ref, "tag": tag} for tag in sorted(set(record.tags if record else ()))]
    tx.insert(servers, rows)
    tx.count_on(servers.c.number)
    tx.insert(server_tags, tags)
    refused = _claim(tx, things, {row["id"]: row for row in rows})
    fleet.publish_all(tx, "guest", [(thing.link_id, thing.ref, thing.host.name) for thing in things])
    for project_id, mine in _by_project(rows).items():
        quotas.count(tx, project_id, len(mine), sum(r["vcpus"] for r in mine), sum(r["ram"] for r in mine))
    for thing in things:
        spec = thing.spec
        record = spec.record
        project, user = (record.project, record.user) if record else (Owner(id=spec.project_id), Owner(id=spec.user_id))
        adoption.belongs(project, user)
        notes = [f"more than {thing.host.name} has room for"] if thing.ref in refused else []
        notes += [f"its image is another project's, and {thing.host.name} does not get it"] * (thing.ref in withheld)
        adoption.take(thing, spec.display_name, spec.project_id, "; ".join(notes))
        timeline.record(tx, thing.ref, "adopted", f"The server was made of the guest that {thing.host.name} kept.")


def _withheld(tx: Transaction, things: Sequence[Thing]) -> set[str]:
    """Guests that say to boot from an image that is there and that their project does not see. They run on, but a node
    must not get at others' images by making guests up."""
    named = [
        (thing.spec.project_id, part.id, thing.ref)
        for thing in things
        if (main := thing.spec.image) is not None
        for part in (main, main.kernel, main.ramdisk)
        if part is not None
    ]
    hidden = image.hidden(tx, {(project_id, id) for project_id, id, _ in named})
    return {ref for project_id, id, ref in named if (project_id, id) in hidden}


def follow(tx: Transaction, adoption: Adoption) -> None:
    """Projects have other ids now; their quotas and flavors follow them. Three statements for each."""
    for old, new in adoption.became.items():
        tx.delete(quota_rows, quota_rows.c.project_id == new)
        for table in (quota_rows, flavor_access):
            tx.update(table, table.c.project_id == old, project_id=new)


def _by_project(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    found: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        found[row["project_id"]].append(row)
    return found


def _row(tx: Transaction, thing: Thing, flavor_id: str) -> dict[str, Any]:
    spec: Guest = thing.spec
    record = spec.record
    on = spec.power == "on"
    power = states.POWER_STATES.get(str(thing.facts.power_state), states.RUNNING if on else states.SHUTDOWN)
    row: dict[str, Any] = {
        "number": _number(spec), "id": spec.id, "project_id": spec.project_id, "user_id": spec.user_id,
        "name": spec.display_name, **VERBS.ended(ADOPT, states.RUNNING if on else states.SHUTDOWN),
        "power_state": power, "progress": 100, "host": thing.host.name, "link_id": thing.link_id, "vcpus": spec.vcpus,
        "ram": spec.memory_mb, "image_id": spec.image.id if spec.image else "", "image": _image(spec),
        "config_drive": spec.config_drive is not None, "power": spec.power, "hard_reboots": spec.hard_reboots,
        "soft_reboots": spec.soft_reboots, "fault": None, "updated_at": tx.now, "flavor_id": flavor_id,
    }  # fmt: skip
    row |= {"description": record.description or None, "availability_zone": record.zone} if record else {}
    row |= {name: getattr(record, name) for name in SAME} if record else _unknown(spec, flavor_id)
    row["created_at"] = row["created_at"] if 0 < row["created_at"] <= tx.now else tx.now
    row["launched_at"] = row["created_at"]
    row.setdefault("description", None)
    row.setdefault("availability_zone", None)
    flavor = {"name": spec.flavor_name, "disk": spec.root_gb, "ephemeral": spec.ephemeral_gb, "swap": spec.swap_mb}
    known = {"rxtx_factor": record.rxtx_factor, "extra_specs": record.extra_specs} if record else {}
    row["flavor"] = {**flavor, "rxtx_factor": 1.0, "extra_specs": {}, "is_public": True, **known}
    row["flavor"]["is_public"] = record.is_public if record else True
    return row


def _unknown(spec: Guest, flavor_id: str) -> dict[str, Any]:
    """What a journal of an earlier release does not say."""
    row: dict[str, Any] = {**dict.fromkeys(SAME), "flavor_id": flavor_id}
    row.update(created_at=0, hostname=hostname_of(spec.display_name, spec.id), seed=secrets.token_hex(32))
    row.update(reservation_id=f"r-{spec.id[:8]}", meta={}, personality=[], disk_config="MANUAL", launch_index=0)
    return row


def _image(spec: Guest) -> dict[str, Any] | None:
    if spec.image is None:
        return None
    found: dict[str, Any] = msgspec.to_builtins(spec.image)
    return {"kernel": None, "ramdisk": None, "properties": {}, **found}


# ---- flavors

Size = tuple[int, int, int, int, int]


def _size(spec: Guest) -> Size:
    return spec.vcpus, spec.memory_mb, spec.root_gb, spec.ephemeral_gb, spec.swap_mb


def _flavors(tx: Transaction, things: Sequence[Thing]) -> dict[Size, str]:
    """A flavor for each size: one that is there, or a new one that only the servers' projects see."""
    rows = tx.rows(select_as(FlavorRow).order_by(flavors.c.is_public))
    found = {(row.vcpus, row.ram, row.disk, row.ephemeral, row.swap): str(row.id) for row in rows}
    ids, names = {row.id for row in rows}, {row.name for row in rows}
    made: dict[str, dict[str, Any]] = {}
    access: set[tuple[str, str]] = set()
    for thing in things:
        spec, record = thing.spec, thing.spec.record
        size = _size(spec)
        if size not in found:
            id = record.flavor_id if record and record.flavor_id and record.flavor_id not in ids else str(uuid.uuid4())
            name = spec.flavor_name if spec.flavor_name and spec.flavor_name not in names else f"adopted-{id[:36]}"
            sizes = dict(zip(("vcpus", "ram", "disk", "ephemeral", "swap"), size, strict=True))
            made[id] = {"id": id, "name": name, **sizes, "is_public": False, "created_at": tx.now, "extra_specs": {}}
            found[size] = id
            ids.add(id)
            names.add(name)
        if found[size] in made:
            access.add((found[size], spec.project_id))
    tx.insert(flavors, list(made.values()))
    tx.insert(flavor_access, [{"flavor_id": flavor_id, "project_id": project} for flavor_id, project in sorted(access)])
    return found


# ---- claims


def _claim(tx: Transaction, things: Sequence[Thing], rows: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """Claims in placement for all; those for which their host has no room run all the same, without one."""
    wanted: defaultdict[str, list[placement.Claim]] = defaultdict(list)
    for thing in things:
        row = rows[thing.ref]
        resources = scheduling.resources_of(row["flavor"], row["vcpus"], row["ram"])
        claim = placement.Claim(thing.ref, thing.host.id, resources, row["project_id"], row["user_id"])
        wanted[thing.host.id].append(claim)
    return {refused for claims in wanted.values() for refused in placement.claim_what_fits(tx, claims)}
