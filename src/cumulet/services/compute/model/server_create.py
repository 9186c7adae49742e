"""Creating servers: everything a create promises, in the caller's one transaction, or nothing.

Order: what was asked for is checked (flavor, image, key, quota), then for each server a host is chosen, its
resources claimed, its ports made, its row and the guest's desired state written. A server without a host is
written too, in ERROR with the reason; the call does not fail for that.
"""

from __future__ import annotations

import base64
import binascii
import re
import secrets
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct, field

from cumulet.db import Transaction
from cumulet.desired.texts import NAME_LIMIT
from cumulet.engine import timeline
from cumulet.fleet import door as fleet
from cumulet.http.faults import BadRequest, NotAllowed
from cumulet.services.compute.context import Actor
from cumulet.services.compute.model import actions, flavors, keypairs, quotas, scheduling, servers
from cumulet.services.compute.tables import FlavorRow, KeypairRow, server_tags
from cumulet.services.compute.tables import actions as actions_table
from cumulet.services.compute.tables import servers as servers_table
from cumulet.services.compute.verbs import VERBS
from cumulet.services.compute.verbs.create import CREATE
from cumulet.services.image import door as image
from cumulet.services.network import door as network
from cumulet.services.placement import door as placement

_UNSAFE = re.compile(r"[^a-z0-9_.-]+")
_GIB = 1 << 30


class CreateRequest(Struct, frozen=True):
    """What a caller asks for, already checked for form. `networks` as the network service takes it."""

    name: str
    flavor_id: str
    image_id: str
    networks: Sequence[network.NetworkRequest] | Literal["auto", "none"] = "auto"
    security_groups: Sequence[str] = ()
    key_name: str | None = None
    user_data: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    personality: Sequence[Mapping[str, str]] = ()
    tags: Sequence[str] = ()
    config_drive: bool = False
    min_count: int = 1
    max_count: int = 1
    zone: str | None = None
    host: str | None = None
    description: str | None = None
    hostname: str | None = None
    disk_config: str = "MANUAL"
    access_ip_v4: str | None = None
    access_ip_v6: str | None = None


class _Parts(Struct, frozen=True):
    """What the checks found, for all servers of the call."""

    request: CreateRequest
    flavor: FlavorRow
    image: image.BootableImage
    key: KeypairRow | None
    reservation_id: str


def create(tx: Transaction, actor: Actor, request: CreateRequest) -> tuple[list[str], str]:
    """Create the servers: their ids and the reservation's. Raises the faults that Nova answers with."""
    parts = _checked(tx, actor, request)
    limits = quotas.limits(tx, actor.project_id)
    _within_limits(request, limits)
    count = quotas.reserve(tx, actor.project_id, limits, parts.flavor, (request.min_count, request.max_count))
    ids = [_one(tx, actor, parts, index) for index in range(count)]
    return ids, parts.reservation_id


def _checked(tx: Transaction, actor: Actor, request: CreateRequest) -> _Parts:
    flavor = flavors.find(tx, request.flavor_id, actor.project_id, actor.caller.is_admin)
    if flavor is None:
        raise BadRequest(f"Flavor {request.flavor_id} could not be found.")
    key = None
    if request.key_name is not None:
        key = keypairs.find(tx, actor.user_id, request.key_name)
        if key is None:
            raise BadRequest("Invalid key_name provided.")
    found = image.boot_image(tx, actor.caller, actor.caller.is_admin, request.image_id)
    if found is None:
        raise BadRequest("Can not find requested image")
    _fits(found, flavor)
    if actor.context.simulated:
        servers.orders(request.metadata)
    if request.zone is not None and request.zone != actor.context.availability_zone:
        raise BadRequest("The requested availability zone is not available")
    return _Parts(request, flavor, found, key, "r-" + "".join(secrets.choice(_LETTERS) for _ in range(8)))


_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


def _fits(found: image.BootableImage, flavor: FlavorRow) -> None:
    """Raise 400 unless the image can be booted with the flavor."""
    for part in (found, found.kernel, found.ramdisk):
        if part is not None and part.status != "active":
            raise BadRequest(f"Image {part.id} is not active.")
    if flavor.ram < (found.min_ram or 0):
        raise BadRequest("Flavor's memory is too small for requested image.")
    if flavor.disk:
        size, least, have = (
            max(found.size or 0, found.virtual_size or 0),
            (found.min_disk or 0) * _GIB,
            flavor.disk * _GIB,
        )
        if size > have:
            raise BadRequest(
                f"Flavor's disk is too small for requested image. Flavor disk is {have} bytes, image is {size} bytes."
            )
        if least > have:
            raise BadRequest(
                "Flavor's disk is smaller than the minimum size specified in image metadata. "
                f"Flavor disk is {have} bytes, minimum size is {least} bytes."
            )


def _within_limits(request: CreateRequest, limits: Mapping[str, int]) -> None:
    """Raise 403 for too many or too large pieces."""
    if 0 <= limits["metadata_items"] < len(request.metadata):
        raise NotAllowed(f"Maximum number of metadata items exceeds {limits['metadata_items']}")
    if 0 <= limits["injected_files"] < len(request.personality):
        raise NotAllowed("Personality file limit exceeded")
    for file in request.personality:
        if 0 <= limits["injected_file_path_bytes"] < len(file["path"].encode()):
            raise NotAllowed(f"Personality file path exceeds maximum {limits['injected_file_path_bytes']}")
        if 0 <= limits["injected_file_content_bytes"] < len(file["contents"]) * 3 // 4:
            raise NotAllowed(f"Personality file content exceeds maximum {limits['injected_file_content_bytes']}")


def hostname_of(name: str, server_id: str) -> str:
    """A host name that DNS takes, from a server's name."""
    plain = name.encode("ascii", "ignore").decode().lower().replace(" ", "-").replace("_", "-").replace(".", "-")
    plain = _UNSAFE.sub("", plain).strip(".-")[:63].rstrip("-")
    return plain or f"server-{server_id}"


def check_user_data(text: str) -> None:
    """Raise 400 unless `text` is base64."""
    try:
        base64.b64decode(text, validate=False)
        base64.decodebytes(text.encode("ascii"))
    except (binascii.Error, ValueError):
        raise BadRequest("Invalid input for field/attribute user_data. User data must be base64-encoded.") from None


def _one(tx: Transaction, actor: Actor, parts: _Parts, index: int) -> str:
    """One server of the call: its id."""
    server_id = str(uuid.uuid4())
    row = _row(tx, actor, parts, server_id, index)
    resources = scheduling.resources_of(row["flavor"], row["vcpus"], row["ram"])
    placed = scheduling.RequestSpec(resources, parts.request.zone, parts.request.host)
    selection = scheduling.choose(tx, placed, actor.context.availability_zone)
    host = selection.host
    if host is None:
        network.check_server(tx, actor.caller, _networks_of(parts.request), list(parts.request.security_groups))
        _without_host(tx, actor, row, selection)
    else:
        row.update(host=host.name, link_id=host.link_id)
        placement.claim(
            tx,
            consumer=server_id,
            provider=selection.provider,
            resources=resources,
            project_id=actor.project_id,
            user_id=actor.user_id,
        )
        _plug(tx, actor, parts, row)
        fleet.publish(tx, link_id=host.link_id, kind="guest", ref=server_id, host=host.name)
        actor.context.engine.start(
            tx,
            CREATE.flow,
            server_id,
            "building",
            deadline_s=actor.context.deadlines.of(CREATE),
            state={"failed": [], "forced": parts.request.host, "request_id": actor.request_id},
        )
        timeline.record(
            tx, server_id, "scheduled", f"Host {host.name} was chosen.", {"host": host.name}, actor.request_id
        )
    tx.insert(servers_table, row)
    tx.insert(server_tags, [{"server_id": server_id, "tag": tag} for tag in sorted(set(parts.request.tags))])
    return server_id


def _plug(tx: Transaction, actor: Actor, parts: _Parts, row: Mapping[str, Any]) -> None:
    request = parts.request
    network.plug_server(
        tx,
        actor.caller,
        server_id=row["id"],
        host=row["host"],
        link_id=row["link_id"],
        availability_zone=actor.context.availability_zone,
        networks=_networks_of(request),
        security_groups=list(request.security_groups),
        hostname=row["hostname"],
    )
    tx.insert(actions_table, actions.row(tx, actor, row["id"], CREATE, row["host"]))


def _networks_of(request: CreateRequest) -> Sequence[network.NetworkRequest] | Literal["auto", "none"]:
    return request.networks if isinstance(request.networks, str) else list(request.networks)


def _without_host(tx: Transaction, actor: Actor, row: dict[str, Any], selection: scheduling.Selection) -> None:
    """The server is written in ERROR, and says which host failed which filter by how much."""
    message, details = scheduling.no_valid_host(selection.refused)
    row.update(VERBS.failed(CREATE), fault=servers.fault(tx, 500, message, details))
    action = actions.row(tx, actor, row["id"], CREATE, None)
    tx.insert(
        actions_table, {**action, "result": "Error", "message": "Error", "details": details, "finished_at": tx.now}
    )
    timeline.record(tx, row["id"], "no_valid_host", message, scheduling.by_host(selection.refused), actor.request_id)


def _numbered(name: str, index: int) -> str:
    """The name of one of several servers. A long one loses its end: the database and hosts take no more."""
    number = f"-{index + 1}"
    return name[: NAME_LIMIT - len(number)] + number


def _row(tx: Transaction, actor: Actor, parts: _Parts, server_id: str, index: int) -> dict[str, Any]:
    request, flavor = parts.request, parts.flavor
    name = request.name if request.max_count == 1 else _numbered(request.name, index)
    hostname = request.hostname or hostname_of(name, server_id)
    if request.hostname and request.max_count > 1:
        hostname = _numbered(request.hostname, index)
    snapshot = {column: getattr(flavor, column) for column in _SNAPSHOT}
    key = parts.key
    return {
        "id": server_id,
        "project_id": actor.project_id,
        "user_id": actor.user_id,
        "name": name,
        "description": request.description,
        "hostname": hostname,
        **VERBS.begun(CREATE),
        "host": None,
        "link_id": None,
        "availability_zone": request.zone,
        "image_id": parts.image.id,
        "image": _image_snapshot(parts.image),
        "flavor_id": flavor.id,
        "flavor": snapshot,
        "vcpus": flavor.vcpus,
        "ram": flavor.ram,
        "key_name": None if key is None else key.name,
        "key_type": None if key is None else key.type,
        "public_key": None if key is None else key.public_key,
        "user_data": request.user_data,
        "meta": dict(request.metadata),
        "personality": [dict(file) for file in request.personality],
        "config_drive": request.config_drive,
        "disk_config": request.disk_config,
        "access_ip_v4": request.access_ip_v4,
        "access_ip_v6": request.access_ip_v6,
        "reservation_id": parts.reservation_id,
        "launch_index": index,
        "seed": secrets.token_hex(32),
        "fault": None,
        "created_at": tx.now,
        "updated_at": tx.now,
    }


_SNAPSHOT = ("name", "disk", "ephemeral", "swap", "rxtx_factor", "extra_specs", "is_public")


def _image_snapshot(found: image.BootableImage) -> dict[str, Any]:
    """What the node needs of the image, kept while the server lives."""
    return {
        "id": found.id,
        "disk_format": found.disk_format,
        "size": found.size or 0,
        "os_hash_value": found.os_hash_value or "",
        "kernel": _loose(found.kernel),
        "ramdisk": _loose(found.ramdisk),
        "properties": dict(msgspec.to_builtins(found.properties)),
        "name": found.name or "",
    }


def _loose(part: image.LooseImage | None) -> dict[str, Any] | None:
    if part is None:
        return None
    return {"id": part.id, "size": part.size or 0, "os_hash_value": part.os_hash_value or ""}
