"""The JSON schemas that Glance serves for images and members."""

from __future__ import annotations

from typing import Any

from cumulet.services.image.wire.images import CONTAINER_FORMATS, DISK_FORMATS, VISIBILITIES

_UUID = "^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){12}$"
_TIME = "An ISO 8601 time in UTC"


def _string(description: str, *, most: int | None = None, **more: Any) -> dict[str, Any]:
    length = {} if most is None else {"maxLength": most}
    return {"type": "string", **length, "description": description, **more}


def _nullable(description: str, *, most: int | None = None, **more: Any) -> dict[str, Any]:
    return {**_string(description, most=most, **more), "type": ["null", "string"]}


def _size(description: str) -> dict[str, Any]:
    return {"type": ["null", "integer"], "readOnly": True, "description": description}


def _links(*rels: tuple[str, str]) -> list[dict[str, str]]:
    return [{"rel": rel, "href": f"{{{name}}}"} for rel, name in rels]


_IMAGE = {
    "id": _string("An identifier for the image", pattern=_UUID),
    "name": _nullable("Descriptive name for the image", most=255),
    "status": _string(
        "Status of the image",
        readOnly=True,
        enum=[
            "queued",
            "saving",
            "active",
            "killed",
            "deleted",
            "uploading",
            "importing",
            "pending_delete",
            "deactivated",
        ],
    ),
    "visibility": _string("Scope of image accessibility", enum=list(VISIBILITIES)),
    "protected": {"type": "boolean", "description": "If true, image will not be deletable."},
    "os_hidden": {"type": "boolean", "description": "If true, image will not appear in default image list response."},
    "checksum": _nullable("md5 hash of image contents.", most=32, readOnly=True),
    "os_hash_algo": _nullable("Algorithm to calculate the os_hash_value", most=64, readOnly=True),
    "os_hash_value": _nullable("Hexdigest of the image contents", most=128, readOnly=True),
    "owner": _nullable("Owner of the image", most=255),
    "size": _size("Size of image file in bytes"),
    "virtual_size": _size("Virtual size of image in bytes"),
    "container_format": _nullable("Format of the container", enum=[None, *CONTAINER_FORMATS]),
    "disk_format": _nullable("Format of the disk", enum=[None, *DISK_FORMATS]),
    "created_at": _string(_TIME, readOnly=True),
    "updated_at": _string(_TIME, readOnly=True),
    "tags": {
        "type": "array",
        "items": {"type": "string", "maxLength": 255},
        "description": "List of strings related to the image",
    },
    "min_ram": {"type": "integer", "description": "Amount of ram (in MB) required to boot image."},
    "min_disk": {"type": "integer", "description": "Amount of disk space (in GB) required to boot image."},
    "self": _string("The path of the image", readOnly=True),
    "file": _string("The path of the image's data", readOnly=True),
    "schema": _string("The path of this schema", readOnly=True),
    "kernel_id": _nullable("ID of image stored in Glance that should be used as the kernel.", pattern=_UUID),
    "ramdisk_id": _nullable("ID of image stored in Glance that should be used as the ramdisk.", pattern=_UUID),
    "instance_uuid": _string("Metadata which can be used to record which instance this image is associated with."),
    "architecture": _string("Operating system architecture"),
    "os_distro": _string("Common name of operating system distribution"),
    "os_version": _string("Operating system version as specified by the distributor."),
}
_MEMBER = {
    "member_id": _string("An identifier for the image member (tenantId)"),
    "image_id": _string("An identifier for the image", pattern=_UUID),
    "status": _string("The status of this image member", enum=["pending", "accepted", "rejected"]),
    "created_at": _string(_TIME),
    "updated_at": _string(_TIME),
    "schema": _string("The path of this schema", readOnly=True),
}
_IMAGE_SCHEMA = {
    "name": "image",
    "properties": _IMAGE,
    "additionalProperties": {"type": "string"},
    "links": [*_links(("self", "self"), ("enclosure", "file"), ("describedby", "schema"))],
}
_MEMBER_SCHEMA = {"name": "member", "properties": _MEMBER}


def _collection(name: str, item: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "properties": {
            name: {"type": "array", "items": item},
            "first": {"type": "string"},
            "next": {"type": "string"},
            "schema": {"type": "string"},
        },
        "links": _links(("first", "first"), ("next", "next"), ("describedby", "schema")),
    }


SCHEMAS: dict[str, dict[str, Any]] = {
    "image": _IMAGE_SCHEMA,
    "images": _collection("images", _IMAGE_SCHEMA),
    "member": _MEMBER_SCHEMA,
    "members": {
        "name": "members",
        "properties": {"members": {"type": "array", "items": _MEMBER_SCHEMA}, "schema": {"type": "string"}},
        "links": _links(("describedby", "schema")),
    },
}
