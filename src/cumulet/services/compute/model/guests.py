"""What a guest shall look like, rendered for its node. Batched: as many queries for one guest as for a thousand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cumulet.db import Transaction
from cumulet.desired import simulation
from cumulet.desired.guest import BootImage, Guest, GuestRecord, LooseImage
from cumulet.desired.port import Plug, joined
from cumulet.desired.records import Owner
from cumulet.desired.shape import Shape
from cumulet.fleet import door as fleet
from cumulet.services.compute.metadata import drive
from cumulet.services.compute.metadata.facts import Place
from cumulet.services.compute.model import servers
from cumulet.services.compute.wire.servers import instance_name
from cumulet.services.identity import door as identity
from cumulet.services.network import door as network


def renderer(place: Place) -> fleet.Renderer:
    """How guests of a cloud are rendered."""

    def render(tx: Transaction, link_id: str, refs: Sequence[str]) -> Mapping[str, Shape]:
        rows = [row for row in servers.by_ids(tx, refs) if row.link_id == link_id and row.host is not None]
        ports = network.plugs(tx, [row.id for row in rows]) if rows else {}
        drives = drive.contents(tx, [row for row in rows if row.config_drive], place)
        tags = servers.tags(tx, [row.id for row in rows]) if rows else {}
        owners = identity.owners(tx, {row.project_id for row in rows}, {row.user_id for row in rows})
        found: dict[str, Shape] = {}
        for row in rows:
            guest = found[row.id] = _guest(row, ports.get(row.id, []), drives.get(row.id), place)
            guest.record = _record(row, owners, tags.get(row.id, []))
        return found

    return render


def with_ports(tx: Transaction, link_id: str, specs: Mapping[str, Any]) -> Mapping[str, Any]:
    """Guests in format 1, as nodes of before read them: with the whole of their ports."""
    ids = [plug.port_id for guest in specs.values() for plug in guest.ports]
    found = network.whole_ports(tx, link_id, ids) if ids else {}
    for guest in specs.values():
        guest.interfaces, guest.ports = joined(guest.ports, found), []
    return specs


def _guest(row: servers.Server, ports: Sequence[Plug], files: dict[str, str] | None, place: Place) -> Guest:
    flavor = row.flavor
    return Guest(
        id=row.id,
        name=instance_name(row.number),
        display_name=row.name,
        vcpus=row.vcpus,
        memory_mb=row.ram,
        root_gb=flavor["disk"],
        ephemeral_gb=flavor["ephemeral"],
        swap_mb=flavor["swap"],
        image=_image(row.image) if row.image else None,
        ports=list(ports),
        power="on" if row.power == "on" else "off",
        hard_reboots=row.hard_reboots,
        soft_reboots=row.soft_reboots,
        config_drive=files,
        project_id=row.project_id,
        user_id=row.user_id,
        flavor_name=flavor["name"],
        simulated=_orders(row.meta) if place.simulated and row.meta else {},
    )


def _record(row: servers.Server, owners: Mapping[str, Owner], tags: list[str]) -> GuestRecord:
    """What the API says of the server and no host needs."""
    flavor = row.flavor
    same = {name: getattr(row, name) for name in SAME}
    return GuestRecord(
        **same,
        description=row.description or "",
        project=owners[row.project_id],
        user=owners[row.user_id],
        zone=row.availability_zone,
        extra_specs=flavor["extra_specs"],
        rxtx_factor=flavor["rxtx_factor"],
        is_public=flavor["is_public"],
        tags=tags,
    )


WITHHELD = "withheld"
"""In what a server keeps of its image: its node does not get the bytes (see `adoption`)."""

SAME = (
    "created_at",
    "hostname",
    "seed",
    "reservation_id",
    "flavor_id",
    "key_name",
    "key_type",
    "public_key",
    "user_data",
    "meta",
    "personality",
    "disk_config",
    "access_ip_v4",
    "access_ip_v6",
    "launch_index",
    "locked_by",
    "locked_reason",
)
"""Columns of a server that its record has under the same names."""


def _orders(meta: Mapping[str, str]) -> dict[str, str]:
    """What the metadata asks of a simulated host; nothing when it holds what was never checked."""
    try:
        return simulation.of_metadata(meta)
    except simulation.SimulationError:
        return {}


def _image(kept: Mapping[str, Any]) -> BootImage:
    """The image as it was looked up when the server was created, with the kernel and ramdisk that it named then."""
    parts = {name: LooseImage(**kept[name]) for name in ("kernel", "ramdisk") if kept.get(name)}
    told = {name: value for name, value in kept.items() if name != WITHHELD}
    return BootImage(**{**told, **parts})
