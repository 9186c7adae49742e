"""How a server looks to clients at each microversion. Plain dicts: a list may hold a thousand of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from cumulet.db import iso
from cumulet.http.bodies import OneOf, Record, optional, since, until
from cumulet.http.versions import Version
from cumulet.services.compute import states
from cumulet.services.compute.wire.links import LINKS, bookmark

if TYPE_CHECKING:
    from cumulet.services.compute.model.server_list import ListedServer
    from cumulet.services.compute.tables import ServerRow

    Shown = ServerRow | ListedServer


@dataclass
class View:
    """What an answer shows and what was looked up for it, once for all its servers."""

    base_url: str
    version: Version
    zone: str
    is_admin: bool = False
    extended: bool = False
    host_status: bool = False
    extra_specs: bool = False
    addresses: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    tags: Mapping[str, Sequence[str]] = field(default_factory=dict)
    hosts: Mapping[str, str] = field(default_factory=dict)
    _seen: dict[Any, Any] = field(default_factory=dict)

    def once(self, key: Any, make: Callable[[], Any]) -> Any:
        """What `make` gives, made once for all servers of the answer that share `key`."""
        found = self._seen.get(key)
        if found is None:
            found = self._seen[key] = make()
        return found


def host_id(host: str | None, project_id: str) -> str:
    """The opaque name of a host that a project sees; empty without a host."""
    return hashlib.sha224((project_id + host).encode()).hexdigest() if host else ""


def instance_name(number: int) -> str:
    """The name of the guest on its hypervisor."""
    return f"instance-{number:08x}"


def basic(row: Shown, base_url: str) -> dict[str, Any]:
    """A server in the short list."""
    return {"id": row.id, "name": row.name, "links": _links(row.id, base_url)}


def _links(server_id: str, base_url: str) -> list[dict[str, str]]:
    return [
        {"rel": "self", "href": f"{base_url}/v2.1/servers/{server_id}"},
        {"rel": "bookmark", "href": f"{base_url}/servers/{server_id}"},
    ]


def addresses(found: Sequence[Any]) -> dict[str, list[dict[str, Any]]]:
    """Addresses by network name."""
    by_network: dict[str, list[dict[str, Any]]] = {}
    for address in found:
        by_network.setdefault(address.network_name, []).append(
            {
                "version": address.version,
                "addr": address.ip,
                "OS-EXT-IPS:type": address.type,
                "OS-EXT-IPS-MAC:mac_addr": address.mac,
            }
        )
    return by_network


def plain(value: Any) -> Any:
    """A column of JSON, which lists fetch as text: most rows of a list hold the same one."""
    return _decoded(value) if isinstance(value, str) else value


@lru_cache(maxsize=4096)
def _decoded(text: str) -> Any:
    return msgspec.json.decode(text)


def image(image_id: str, base_url: str) -> dict[str, Any] | str:
    """The image inside a server; empty when it has none."""
    return {"id": image_id, "links": bookmark(base_url, "images", image_id)} if image_id else ""


def flavor(row: Shown, view: View) -> dict[str, Any]:
    """The flavor inside a server: a link before 2.47, the snapshot from then on."""
    if view.version < (2, 47):
        return {"id": row.flavor_id, "links": bookmark(view.base_url, "flavors", row.flavor_id)}
    snapshot = plain(row.flavor)
    body = {
        "vcpus": row.vcpus,
        "ram": row.ram,
        "disk": snapshot["disk"],
        "ephemeral": snapshot["ephemeral"],
        "swap": snapshot["swap"],
        "original_name": snapshot["name"],
    }
    if view.extra_specs:
        body["extra_specs"] = snapshot["extra_specs"]
    return body


def fault(row: Shown, is_admin: bool) -> dict[str, Any]:
    """Why a server is in ERROR; details only for an admin, as Nova keeps them."""
    found = plain(row.fault)
    body = {"code": found["code"], "created": iso(found["created"]), "message": found["message"]}
    if found.get("details") and (is_admin or found["code"] != 500):
        body["details"] = found["details"]
    return body


def full(row: Shown, view: View, *, brief: bool = False) -> dict[str, Any]:
    """A server with all its fields; `brief`: what PUT answered before 2.75."""
    version = view.version
    status = "DELETED" if row.deleted_at else states.status_of(row.vm_state, row.task_state)
    body: dict[str, Any] = {
        "id": row.id,
        "name": row.name,
        "status": status,
        "tenant_id": row.project_id,
        "user_id": row.user_id,
        "metadata": plain(row.meta),
        "hostId": view.once(("host", row.host, row.project_id), lambda: host_id(row.host, row.project_id)),
        "image": view.once(("image", row.image_id), lambda: image(row.image_id, view.base_url)),
        "flavor": view.once((row.flavor_id, row.vcpus, row.ram, str(row.flavor)), lambda: flavor(row, view)),
        "created": iso(row.created_at),
        "updated": iso(row.updated_at),
        "addresses": {} if row.vm_state == states.BUILDING else addresses(view.addresses.get(row.id, ())),
        "accessIPv4": row.access_ip_v4 or "",
        "accessIPv6": row.access_ip_v6 or "",
        "links": _links(row.id, view.base_url),
        "OS-DCF:diskConfig": row.disk_config,
    }
    if status in states.WITH_PROGRESS:
        body["progress"] = row.progress
    if status in states.WITH_FAULT and plain(row.fault):
        body["fault"] = fault(row, view.is_admin)
    if not brief:
        _extensions(body, row, view)
    if version >= (2, 9):
        body["locked"] = row.locked_by is not None
    if version >= (2, 73):
        body["locked_reason"] = row.locked_reason
    if version >= (2, 19):
        body["description"] = row.description
    if version >= (2, 26):
        body["tags"] = view.tags.get(row.id, [])
    if version >= (2, 63):
        body["trusted_image_certificates"] = None
    if version >= (2, 96):
        body["pinned_availability_zone"] = row.availability_zone
    return body


def _extensions(body: dict[str, Any], row: Shown, view: View) -> None:
    """Fields that were extensions once and kept their prefix."""
    body["OS-EXT-AZ:availability_zone"] = view.zone if row.host else row.availability_zone or ""
    body["config_drive"] = "True" if row.config_drive else ""
    body["key_name"] = row.key_name
    body["OS-SRV-USG:launched_at"] = _usage_time(row.launched_at)
    body["OS-SRV-USG:terminated_at"] = _usage_time(row.terminated_at)
    if groups := view.groups.get(row.id):
        body["security_groups"] = [{"name": name} for name in groups]
    if view.extended:
        body["OS-EXT-SRV-ATTR:host"] = row.host
        body["OS-EXT-SRV-ATTR:instance_name"] = instance_name(row.number)
        body["OS-EXT-SRV-ATTR:hypervisor_hostname"] = row.host
        if view.version >= (2, 3):
            body["OS-EXT-SRV-ATTR:reservation_id"] = row.reservation_id
            body["OS-EXT-SRV-ATTR:launch_index"] = row.launch_index
            body["OS-EXT-SRV-ATTR:hostname"] = row.hostname
            snapshot = plain(row.image) or {}
            body["OS-EXT-SRV-ATTR:kernel_id"] = (snapshot.get("kernel") or {}).get("id", "")
            body["OS-EXT-SRV-ATTR:ramdisk_id"] = (snapshot.get("ramdisk") or {}).get("id", "")
            body["OS-EXT-SRV-ATTR:root_device_name"] = "/dev/vda"
            body["OS-EXT-SRV-ATTR:user_data"] = row.user_data
    elif view.version >= (2, 90):
        body["OS-EXT-SRV-ATTR:hostname"] = row.hostname
    body["OS-EXT-STS:task_state"] = row.task_state
    body["OS-EXT-STS:vm_state"] = row.vm_state
    body["OS-EXT-STS:power_state"] = row.power_state
    body["os-extended-volumes:volumes_attached"] = []
    if view.version >= (2, 16) and view.host_status:
        body["host_status"] = view.hosts.get(row.host, "UNKNOWN") if row.host else ""


def _usage_time(us: int | None) -> str | None:
    return None if us is None else iso(us, micro=True, zone="")


ADDRESS = Record("ServerAddress", {"version": int, "addr": str, "OS-EXT-IPS:type": str, "OS-EXT-IPS-MAC:mac_addr": str})
_OLD_FLAVOR = {"id": str, "links": LINKS}
_FLAVOR = {
    "vcpus": int,
    "ram": int,
    "disk": int,
    "ephemeral": int,
    "swap": int,
    "original_name": str,
    "extra_specs": optional({str: str}),
}
_PLAIN = {
    "id": str,
    "name": str,
    "status": str,
    "tenant_id": str,
    "user_id": str,
    "metadata": {str: str},
    "hostId": str,
    "image": OneOf({"id": str, "links": LINKS}, Literal[""]),
    "flavor": (until("2.46", _OLD_FLAVOR), since("2.47", _FLAVOR)),
    "created": str,
    "updated": str,
    "addresses": {str: [ADDRESS]},
    "accessIPv4": str,
    "accessIPv6": str,
    "links": LINKS,
    "OS-DCF:diskConfig": str,
    "progress": optional(int),
    "fault": optional({"code": int, "created": str, "message": str, "details": optional(str)}),
    "locked": since("2.9", bool),
    "locked_reason": since("2.73", str | None),
    "description": since("2.19", str | None),
    "tags": since("2.26", [str]),
    "trusted_image_certificates": since("2.63", OneOf([str], None)),
    "pinned_availability_zone": since("2.96", str | None),
}
_ONCE_EXTENSIONS = {
    "OS-EXT-AZ:availability_zone": str,
    "config_drive": str,
    "key_name": str | None,
    "OS-SRV-USG:launched_at": str | None,
    "OS-SRV-USG:terminated_at": str | None,
    "security_groups": optional([{"name": str}]),
    "OS-EXT-SRV-ATTR:host": optional(str | None),
    "OS-EXT-SRV-ATTR:instance_name": optional(str),
    "OS-EXT-SRV-ATTR:hypervisor_hostname": optional(str | None),
    "OS-EXT-SRV-ATTR:reservation_id": optional(since("2.3", str)),
    "OS-EXT-SRV-ATTR:launch_index": optional(since("2.3", int)),
    "OS-EXT-SRV-ATTR:hostname": optional(since("2.3", str)),
    "OS-EXT-SRV-ATTR:kernel_id": optional(since("2.3", str)),
    "OS-EXT-SRV-ATTR:ramdisk_id": optional(since("2.3", str)),
    "OS-EXT-SRV-ATTR:root_device_name": optional(since("2.3", str)),
    "OS-EXT-SRV-ATTR:user_data": optional(since("2.3", str | None)),
    "OS-EXT-STS:task_state": str | None,
    "OS-EXT-STS:vm_state": str,
    "OS-EXT-STS:power_state": int,
    "os-extended-volumes:volumes_attached": [{"id": str, "delete_on_termination": since("2.3", bool)}],
    "host_status": optional(since("2.16", str)),
}
SERVER = Record("Server", {**_PLAIN, **_ONCE_EXTENSIONS, "server_groups": since("2.71", [str])})
LISTED_SERVER = SERVER.but("ListedServer", "server_groups")
CHANGED_SERVER = Record(
    "ChangedServer",
    {
        **_PLAIN,
        **{name: since("2.75", term) for name, term in _ONCE_EXTENSIONS.items()},
        "server_groups": since("2.75", [str]),
    },
)
SHORT_SERVER = Record("ShortServer", {"id": str, "name": str, "links": LINKS})
CREATED_SERVER = Record(
    "CreatedServer",
    {"id": str, "links": LINKS, "OS-DCF:diskConfig": str, "security_groups": [{"name": str}], "adminPass": str},
)
