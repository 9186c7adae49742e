"""Desired state of kind ``guest``: a virtual machine, and what a report says of it."""

from __future__ import annotations

from typing import Any, Literal

from cumulet.desired.port import Interface, Plug
from cumulet.desired.records import Owner, Record
from cumulet.desired.shape import Count, Shape

FORMAT = 2
"""Of what is said here; it rises when an earlier node would take it for something else."""

BINARY = "base64:"
"""What a content on a config drive begins with when the rest of it is base64."""


class LooseImage(Shape):
    """A kernel or a ramdisk beside a bare file system (ami): fetched and checked as the image itself is."""

    id: str
    size: int
    os_hash_value: str


class BootImage(Shape):
    """The image to boot from, fetched by the node over the link and cached by id + `os_hash_value` (sha512 hex).
    What it and its parts are was settled when the server was created; properties decide nothing about that here."""

    id: str
    disk_format: str
    size: int
    os_hash_value: str
    kernel: LooseImage | None = None
    ramdisk: LooseImage | None = None
    properties: dict[str, str] = {}
    name: str = ""


class Guest(Shape):
    """A virtual machine. Libvirt's domain name is `name` (``instance-00000001``), its UUID is `id`.

    Actions are state: `hard_reboots` and `soft_reboots` are counters that rose; `power` is what is wanted.
    `ports` are its network cards, each of an item of kind ``port``; `interfaces` in their place is format 1.
    `config_drive`: file path on the drive → content, or None for no drive; a content that begins with `BINARY` is
    that and base64, for what is not text. `simulated`: what a simulated host shall do otherwise (`simulation.deeds`).
    """

    id: str
    name: str
    display_name: str
    vcpus: int
    memory_mb: int
    root_gb: int
    ephemeral_gb: int = 0
    swap_mb: int = 0
    image: BootImage | None = None
    ports: list[Plug] = []
    interfaces: list[Interface] = []
    power: Literal["on", "off"] = "on"
    hard_reboots: int = 0
    soft_reboots: int = 0
    config_drive: dict[str, str] | None = None
    project_id: str = ""
    user_id: str = ""
    flavor_name: str = ""
    record: GuestRecord | None = None
    simulated: dict[str, str] = {}


class GuestRecord(Record):
    """Of a server: all of its row that the guest's spec does not say. `description` is empty for none; `user_data` is
    base64, as it was given."""

    project: Owner
    user: Owner
    hostname: str
    seed: str
    reservation_id: str
    flavor_id: str
    zone: str | None = None
    extra_specs: dict[str, str] = {}
    rxtx_factor: float = 1.0
    is_public: bool = True
    key_name: str | None = None
    key_type: str | None = None
    public_key: str | None = None
    user_data: str | None = None
    meta: dict[str, str] = {}
    personality: list[dict[str, Any]] = []
    tags: list[str] = []
    disk_config: str = "MANUAL"
    access_ip_v4: str | None = None
    access_ip_v6: str | None = None
    launch_index: int = 0
    locked_by: str | None = None
    locked_reason: str | None = None


class GuestState(Shape):
    """Facts of a report on a guest. `screen`: it has one now, at the place that follows from its id."""

    power_state: Literal["running", "shutdown", "paused", "crashed"] | None = None
    hard_reboots: Count = 0
    soft_reboots: Count = 0
    screen: bool = False


def newer(spec: dict[str, Any]) -> dict[str, Any]:
    """A guest of format 1 in this one: the whole ports in it have their place here, and nodes take them out."""
    return spec
