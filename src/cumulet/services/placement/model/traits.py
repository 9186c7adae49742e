"""Traits: the standard ones are constants of OpenStack, custom ones are rows."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sqlalchemy import select

from cumulet.http.faults import BadRequest, Conflict, NotFound
from cumulet.services.placement.model.providers import Filters
from cumulet.services.placement.tables import provider_traits, traits
from cumulet.store import Transaction

STANDARD = (
    *(f"COMPUTE_ARCH_{arch}" for arch in ("AARCH64", "MIPSEL", "PPC64LE", "RISCV64", "S390X", "X86_64")),
    "COMPUTE_ACCELERATORS",
    "COMPUTE_CONFIG_DRIVE_REGENERATION",
    "COMPUTE_DEVICE_TAGGING",
    *(
        f"COMPUTE_GRAPHICS_MODEL_{m}"
        for m in ("BOCHS", "CIRRUS", "GOP", "NONE", "QXL", "VGA", "VIRTIO", "VMVGA", "XEN")
    ),
    *(
        f"COMPUTE_IMAGE_TYPE_{kind}"
        for kind in ("AKI", "AMI", "ARI", "ISO", "PLOOP", "QCOW2", "RAW", "VDI", "VHD", "VHDX", "VMDK")
    ),
    "COMPUTE_MANAGED_PCI_DEVICE",
    "COMPUTE_MIGRATE_AUTO_CONVERGE",
    "COMPUTE_MIGRATE_POST_COPY",
    "COMPUTE_NET_ATTACH_INTERFACE",
    "COMPUTE_NET_ATTACH_INTERFACE_WITH_TAG",
    *(
        f"COMPUTE_NET_VIF_MODEL_{m}"
        for m in (
            "E1000",
            "E1000E",
            "LAN9118",
            "NE2K_PCI",
            "NETFRONT",
            "PCNET",
            "RTL8139",
            "SPAPR_VLAN",
            "SRIOV",
            "VIRTIO",
            "VMXNET",
            "VMXNET3",
        )
    ),
    "COMPUTE_NODE",
    "COMPUTE_REMOTE_MANAGED_PORTS",
    "COMPUTE_RESCUE_BFV",
    "COMPUTE_SAME_HOST_COLD_MIGRATE",
    "COMPUTE_SECURITY_STATELESS_FIRMWARE",
    "COMPUTE_SECURITY_TPM_1_2",
    "COMPUTE_SECURITY_TPM_2_0",
    "COMPUTE_SECURITY_UEFI_SECURE_BOOT",
    "COMPUTE_SOCKET_PCI_NUMA_AFFINITY",
    "COMPUTE_STATUS_DISABLED",
    *(
        f"COMPUTE_STORAGE_BUS_{bus}"
        for bus in ("FDC", "IDE", "LXC", "NVME", "SATA", "SCSI", "UML", "USB", "VIRTIO", "XEN")
    ),
    "COMPUTE_TRUSTED_CERTS",
    "COMPUTE_VIOMMU_MODEL_AUTO",
    "COMPUTE_VOLUME_ATTACH",
    "COMPUTE_VOLUME_ATTACH_WITH_TAG",
    "COMPUTE_VOLUME_EXTEND",
    "COMPUTE_VOLUME_MULTI_ATTACH",
    "HW_CPU_HYPERTHREADING",
    *(
        f"HW_CPU_X86_{flag}"
        for flag in (
            "AESNI",
            "AVX",
            "AVX2",
            "AVX512BW",
            "AVX512CD",
            "AVX512DQ",
            "AVX512F",
            "AVX512VL",
            "BMI",
            "BMI2",
            "CLMUL",
            "F16C",
            "FMA3",
            "MMX",
            "SGX",
            "SHA",
            "SSE",
            "SSE2",
            "SSE3",
            "SSE41",
            "SSE42",
            "SSSE3",
            "SVM",
            "TSX",
            "VMX",
        )
    ),
    "HW_NUMA_ROOT",
    "MISC_SHARES_VIA_AGGREGATE",
    "OWNER_CYBORG",
    "OWNER_NOVA",
    "STORAGE_DISK_HDD",
    "STORAGE_DISK_SSD",
)
"""Those of OpenStack's standard traits that concern a hypervisor of this kind."""
_STANDARD = frozenset(STANDARD)


def missing(tx: Transaction, names: Collection[str]) -> list[str]:
    """Those of `names` that are no trait. No query when all are standard ones."""
    unknown = sorted({name for name in names if name not in _STANDARD})
    if not unknown:
        return []
    found = {row.name for row in tx.rows(select(traits.c.name).where(traits.c.name.in_(unknown)))}
    return [name for name in unknown if name not in found]


def require_all(tx: Transaction, filters: Filters, prefix: str) -> None:
    """Raises 400 when the filters name a trait that is not there."""
    named = set().union(*filters.any_traits, filters.without_traits)
    unknown = missing(tx, named)
    if unknown:
        raise BadRequest(f"{prefix}No such trait(s): {', '.join(unknown)}.")


def names(tx: Transaction, associated: bool | None) -> list[str]:
    """All traits, or those that a provider has (or that none has)."""
    everything = sorted([*STANDARD, *(row.name for row in tx.rows(select(traits.c.name)))])
    if associated is None:
        return everything
    used = {row.trait for row in tx.rows(select(provider_traits.c.trait).distinct())}
    return [name for name in everything if (name in used) == associated]


def create(tx: Transaction, name: str) -> bool:
    """Make a custom trait; False when it is already there."""
    if not missing(tx, [name]):
        return False
    tx.insert(traits, {"name": name, "updated_at": tx.now})
    return True


def delete(tx: Transaction, name: str) -> None:
    """Delete a custom trait. Raises 404, 400 for a standard one, 409 while a provider has it."""
    if missing(tx, [name]):
        raise NotFound(f"No such trait(s): {name}.")
    if name in _STANDARD:
        raise BadRequest(f"Cannot delete standard trait {name}.")
    if tx.row(select(provider_traits.c.trait).where(provider_traits.c.trait == name).limit(1)) is not None:
        raise Conflict(f"The trait {name} is in use by a resource provider.")
    tx.delete(traits, traits.c.name == name)


def of_providers(tx: Transaction, uuids: Collection[str]) -> dict[str, list[str]]:
    """Traits by provider, sorted. One query."""
    found: dict[str, list[str]] = {}
    query = select(provider_traits).where(provider_traits.c.provider_uuid.in_(uuids)).order_by(provider_traits.c.trait)
    for row in tx.rows(query):
        found.setdefault(row.provider_uuid, []).append(row.trait)
    return found


def assign(tx: Transaction, provider: str, wanted: Iterable[str]) -> None:
    """Replace the provider's traits."""
    tx.delete(provider_traits, provider_traits.c.provider_uuid == provider)
    tx.insert(provider_traits, [{"provider_uuid": provider, "trait": name} for name in sorted(set(wanted))])
