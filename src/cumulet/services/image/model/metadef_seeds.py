"""The metadata definitions that a fresh cloud starts with: what guests' images and flavors may say of the machine they
want, under the names that OpenStack's tools know.

They are written once, into a database that knows no type of resource yet; afterwards they are the administrator's. Only
what this cloud acts on or shows is defined; more can be loaded through the API.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import select

from cumulet.db import Transaction
from cumulet.services.image.tables import (
    namespace_objects,
    namespace_properties,
    namespaces,
    resource_type_associations,
    resource_types,
)

IMAGE, FLAVOR, VOLUME = "OS::Glance::Image", "OS::Nova::Flavor", "OS::Cinder::Volume"
AGGREGATE, SERVER, TYPE = "OS::Nova::Aggregate", "OS::Nova::Server", "OS::Cinder::VolumeType"
TYPES = (IMAGE, FLAVOR, VOLUME, AGGREGATE, SERVER, TYPE, "OS::Glance::Metadef", "OS::Trove::Instance")
OWNER = "admin"


class Seed(Struct, frozen=True):
    """A namespace. `prefix` tells whether its names carry ``hw_`` on images and volumes and ``hw:`` on flavors."""

    title: str
    description: str
    properties: Mapping[str, Mapping[str, Any]]
    types: Sequence[str] = (IMAGE, VOLUME)
    prefix: bool = False
    objects: Mapping[str, Mapping[str, Mapping[str, Any]]] | None = None


def _text(title: str, description: str, *values: str, **more: Any) -> dict[str, Any]:
    enum = {"enum": list(values)} if values else {}
    words = {"description": description} if description else {}
    return {"title": title, "type": "string", **words, **enum, **more}


def _number(title: str, description: str, **more: Any) -> dict[str, Any]:
    return {"title": title, "description": description, "type": "integer", **more}


def _flag(title: str, description: str, **more: Any) -> dict[str, Any]:
    return {"title": title, "description": description, "type": "boolean", **more}


SEEDS: dict[str, Seed] = {
    "OS::Glance::CommonImageProperties": Seed(
        "Common image properties",
        "What people look for when they choose an image.",
        {
            "kernel_id": _text("Kernel", "The id of the image that is this image's kernel"),
            "ramdisk_id": _text("Ramdisk", "The id of the image that is this image's first file system"),
            "instance_uuid": _text("Server", "The id of the server that this image was made of"),
            "architecture": _text("Architecture", "The processor that the image is for, such as x86_64 or aarch64"),
            "os_distro": _text("Distribution", "The operating system's distribution in lower case, such as debian"),
            "os_version": _text("Version", "The distribution's version as its makers write it"),
            "description": _text("Description", "What the image is, in words"),
        },
        (IMAGE,),
    ),
    "OS::OperatingSystem": Seed(
        "Operating system",
        "How a guest's operating system wants to be treated.",
        {
            "os_type": _text("Kind", "The family of the operating system", "linux", "windows"),
            "os_admin_user": _text("Administrator", "The name of the user that may do everything"),
            "os_require_quiesce": _text("Quiesce", "Whether a snapshot must wait for the guest's agent", "yes", "no"),
            "os_secure_boot": _text(
                "Secure boot", "Whether only signed code boots", "required", "disabled", "optional"
            ),
        },
    ),
    "OS::Compute::VirtCPUTopology": Seed(
        "Topology of the processor",
        "How the virtual processors of a guest are arranged in sockets, cores and threads.",
        {
            "cpu_sockets": _number("Sockets", "How many sockets the guest sees", minimum=1),
            "cpu_cores": _number("Cores", "How many cores each socket has", minimum=1),
            "cpu_threads": _number("Threads", "How many threads each core has", minimum=1),
            "cpu_max_sockets": _number("Most sockets", "No more sockets than these are chosen", minimum=1),
            "cpu_max_cores": _number("Most cores", "No more cores per socket than these are chosen", minimum=1),
            "cpu_max_threads": _number("Most threads", "No more threads per core than these are chosen", minimum=1),
        },
        (IMAGE, VOLUME, FLAVOR),
        prefix=True,
    ),
    "OS::Compute::CPUPinning": Seed(
        "Pinning of the processor",
        "Whether virtual processors have physical ones for themselves.",
        {
            "cpu_policy": _text("Policy", "Shared with others, or one's own", "shared", "dedicated", "mixed"),
            "cpu_thread_policy": _text(
                "Policy of threads", "What is made of a core's threads", "prefer", "isolate", "require"
            ),
        },
        (IMAGE, VOLUME, FLAVOR),
        prefix=True,
    ),
    "OS::Compute::GuestMemoryBacking": Seed(
        "Pages of memory",
        "How large the pages of a guest's memory are.",
        {"mem_page_size": _text("Size", "small, large, any, or a size such as 2MB")},
        (IMAGE, VOLUME, FLAVOR),
        prefix=True,
    ),
    "OS::Compute::Watchdog": Seed(
        "Watchdog",
        "What becomes of a guest that no longer feeds its watchdog.",
        {"watchdog_action": _text("Action", "What is done", "disabled", "reset", "poweroff", "pause", "none")},
        (IMAGE, VOLUME, FLAVOR),
        prefix=True,
    ),
    "OS::Compute::RandomNumberGenerator": Seed(
        "Random numbers",
        "How much a guest may take of the host's random numbers.",
        {
            "hw_rng:allowed": _flag("Allowed", "Whether a guest may have the device at all", default=True),
            "hw_rng:rate_bytes": _number("Bytes", "How many bytes a guest may read in a period", minimum=0),
            "hw_rng:rate_period": _number("Period", "The length of a period in milliseconds", minimum=1),
        },
        (FLAVOR,),
    ),
    "OS::Compute::LibvirtImage": Seed(
        "Devices of a guest",
        "Which models of devices a guest gets.",
        {
            "hw_disk_bus": _text(
                "Bus of disks", "", "virtio", "scsi", "ide", "sata", "usb", "fdc", "lxc", "uml", "xen"
            ),
            "hw_cdrom_bus": _text("Bus of CD-ROMs", "", "virtio", "scsi", "ide", "sata", "usb"),
            "hw_scsi_model": _text("SCSI controller", "", "virtio-scsi", "lsilogic", "buslogic", "lsisas1068"),
            "hw_vif_model": _text("Network card", "", "virtio", "e1000", "e1000e", "ne2k_pci", "pcnet", "rtl8139"),
            "hw_video_model": _text(
                "Graphics card", "", "vga", "cirrus", "vmvga", "xen", "qxl", "virtio", "gop", "none", "bochs"
            ),
            "hw_machine_type": _text("Machine", "The machine that the host emulates, such as q35"),
            "hw_firmware_type": _text("Firmware", "What the guest boots with", "bios", "uefi"),
            "hw_pointer_model": _text("Pointer", "", "usbtablet"),
            "hw_qemu_guest_agent": _text("Agent", "Whether the guest runs QEMU's agent", "yes", "no"),
            "hw_rng_model": _text("Random numbers", "", "virtio"),
            "hw_boot_menu": _flag("Boot menu", "Whether the guest's firmware shows its menu"),
            "hw_vif_multiqueue_enabled": _flag("Queues", "Whether a network card has a queue per processor"),
            "hw_tpm_model": _text("TPM", "", "tpm-tis", "tpm-crb"),
            "hw_tpm_version": _text("Version of the TPM", "", "1.2", "2.0"),
            "hw_rescue_bus": _text("Bus of a rescue disk", "", "virtio", "scsi", "ide", "sata", "usb"),
            "hw_rescue_device": _text("Device of a rescue disk", "", "disk", "cdrom", "floppy"),
            "img_config_drive": _text("Config drive", "Whether the guest needs one", "mandatory", "optional"),
        },
    ),
    "OS::Compute::Hypervisor": Seed(
        "Hypervisor",
        "What an image needs of the host that it boots on.",
        {
            "hypervisor_type": _text("Hypervisor", "", "qemu", "kvm", "lxc", "xen", "hyperv", "vmware", "baremetal"),
            "img_hv_type": _text("Hypervisor", "", "qemu", "kvm", "lxc", "xen", "hyperv", "vmware", "baremetal"),
            "vm_mode": _text("Mode", "How the guest is virtualised", "hvm", "xen", "uml", "exe"),
        },
        (IMAGE,),
    ),
    "OS::Compute::Quota": Seed(
        "Bounds of a guest",
        "How much of the host's disks, networks and processors a guest of a flavor may use.",
        {},
        (FLAVOR,),
        objects={
            "CPU limits": {
                "quota:cpu_shares": _number("Shares", "The weight beside other guests"),
                "quota:cpu_period": _number("Period", "The length of a period in microseconds"),
                "quota:cpu_quota": _number("Quota", "How many microseconds of a period the guest may run"),
            },
            "Disk limits": {
                "quota:disk_read_bytes_sec": _number("Bytes read", "In each second"),
                "quota:disk_read_iops_sec": _number("Reads", "In each second"),
                "quota:disk_write_bytes_sec": _number("Bytes written", "In each second"),
                "quota:disk_write_iops_sec": _number("Writes", "In each second"),
                "quota:disk_total_bytes_sec": _number("Bytes", "Read and written in each second"),
                "quota:disk_total_iops_sec": _number("Operations", "Reads and writes in each second"),
            },
            "Network limits": {
                "quota:vif_inbound_average": _number("Inbound", "On the average, in KiB per second"),
                "quota:vif_inbound_burst": _number("Inbound burst", "In KiB at the peak's rate"),
                "quota:vif_inbound_peak": _number("Inbound peak", "At most, in KiB per second"),
                "quota:vif_outbound_average": _number("Outbound", "On the average, in KiB per second"),
                "quota:vif_outbound_burst": _number("Outbound burst", "In KiB at the peak's rate"),
                "quota:vif_outbound_peak": _number("Outbound peak", "At most, in KiB per second"),
            },
        },
    ),
}
"""Namespaces by name."""


def sow(tx: Transaction) -> int:
    """Write the definitions where nobody ever wrote any; how many namespaces there were to write. Idempotent."""
    if tx.row(select(resource_types.c.name).limit(1)) is not None:
        return 0
    if tx.row(select(namespaces.c.id).limit(1)) is not None:
        return 0
    times = {"created_at": tx.now, "updated_at": tx.now}
    tx.insert(resource_types, [{"name": name, **times} for name in TYPES])
    for name, seed in SEEDS.items():
        _sow(tx, name, seed, times)
    return len(SEEDS)


def _sow(tx: Transaction, name: str, seed: Seed, times: Mapping[str, int]) -> None:
    namespace_id = uuid.uuid4().hex
    columns = {"display_name": seed.title, "description": seed.description, "visibility": "public", "protected": True}
    tx.insert(namespaces, {"id": namespace_id, "namespace": name, "owner": OWNER, **columns, **times})
    inside = {"namespace_id": namespace_id, **times}
    tx.insert(resource_type_associations, [{"name": kind, **_place(seed, kind), **inside} for kind in seed.types])
    tx.insert(
        namespace_properties,
        [
            {"id": uuid.uuid4().hex, "name": each, "schema": dict(schema), **inside}
            for each, schema in seed.properties.items()
        ],
    )
    tx.insert(
        namespace_objects,
        [
            {
                "id": uuid.uuid4().hex,
                "name": each,
                "description": f"{each} of a guest",
                "required": [],
                "properties": {key: dict(schema) for key, schema in properties.items()},
                **inside,
            }
            for each, properties in (seed.objects or {}).items()
        ],
    )


def _place(seed: Seed, kind: str) -> dict[str, str | None]:
    """Which prefix names carry on that type, and where of a volume's two kinds of metadata they go."""
    prefix = None
    if seed.prefix:
        prefix = "hw:" if kind == FLAVOR else "hw_"
    return {"prefix": prefix, "properties_target": "image" if kind == VOLUME else None}
