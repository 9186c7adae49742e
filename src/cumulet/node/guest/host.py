"""What this host can give to guests, as libvirt and the file system say.

Must never count what guests use: claims are the controller's affair.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from msgspec import Struct, field


class HostNumbers(Struct, frozen=True):
    """Sizes of the host; `hypervisor_version` is QEMU's as libvirt counts it (7.2.22 is 7002022)."""

    vcpus: int
    memory_mb: int
    disk_gb: int
    hypervisor_version: int
    cpu_info: dict[str, Any] = field(default_factory=dict)


def measure(connection: Any, state: Path) -> HostNumbers:
    """The host's numbers; `disk_gb` is the size of the file system that holds the guests' disks."""
    state.mkdir(parents=True, exist_ok=True)
    # Libvirt's own count of memory comes from the NUMA nodes in /sys, which a container or a small kernel may not show.
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return HostNumbers(
        vcpus=os.cpu_count() or 1,
        memory_mb=memory >> 20,
        disk_gb=shutil.disk_usage(state).total >> 30,
        hypervisor_version=connection.getVersion(),
        cpu_info=cpu_info(connection.getCapabilities()),
    )


def cpu_info(capabilities: str) -> dict[str, Any]:
    """arch, model, vendor, topology and features of libvirt's capabilities, shaped as Nova shows them."""
    cpu = ET.fromstring(capabilities).find("host/cpu")
    if cpu is None:
        return {}
    topology = cpu.find("topology")
    sizes = topology.attrib if topology is not None else {}
    return {
        "arch": cpu.findtext("arch", ""),
        "model": cpu.findtext("model", ""),
        "vendor": cpu.findtext("vendor", ""),
        "topology": {
            "cells": 1,
            **{key: int(sizes.get(key, "1")) for key in ("sockets", "cores", "threads")},
        },
        "features": sorted(one.attrib["name"] for one in cpu.findall("feature") if "name" in one.attrib),
    }
