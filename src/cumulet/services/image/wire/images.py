"""The image as Glance shows it, and the checks of what clients send.

An image is an open object: whatever is not an attribute of Glance's is a property, and properties are strings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from cumulet.db import iso
from cumulet.http.bodies import Query
from cumulet.http.faults import BadRequest, NotAllowed, TooLarge
from cumulet.services.image.model.images import BASE, Image
from cumulet.services.image.wire.pages import PAGE
from cumulet.services.image.wire.schema import UUID, Declared, Document, array, record, require, text

VISIBILITIES = ("community", "public", "private", "shared")
CONTAINER_FORMATS = ("ami", "ari", "aki", "bare", "ovf", "ova", "docker", "compressed")
DISK_FORMATS = (
    "ami",
    "ari",
    "aki",
    "vhd",
    "vhdx",
    "vmdk",
    "raw",
    "qcow2",
    "vdi",
    "iso",
    "ploop",
    "luks",
    "gpt",
)
STATUSES = (
    "queued",
    "saving",
    "active",
    "killed",
    "deleted",
    "uploading",
    "importing",
    "pending_delete",
    "deactivated",
)
READ_ONLY = frozenset(
    {
        "created_at",
        "updated_at",
        "status",
        "checksum",
        "size",
        "virtual_size",
        "direct_url",
        "self",
        "file",
        "schema",
        "stores",
        "id",
        "os_hash_algo",
        "os_hash_value",
    }
)
RESERVED = frozenset({"location", "deleted", "deleted_at"})
RESERVED_PREFIX = "os_glance"
MAX_PROPERTIES = 128
MAX_TAGS = 128
MAX_LOCATIONS = 10
MAX_INT = 2**31 - 1

_VALIDATION = record(
    {
        "checksum": {"type": "string", "minLength": 32, "maxLength": 32},
        "os_hash_algo": {"type": "string", "maxLength": 64},
        "os_hash_value": {"type": "string", "maxLength": 128},
    },
    description="What the image's checksums are to be; what they are, once they are known",
    writeOnly=True,
    additionalProperties=False,
    required=["os_hash_algo", "os_hash_value"],
)
LOCATION: Declared = record(
    {
        "url": {"type": "string", "maxLength": 255},
        "metadata": {"type": "object"},
        "validation_data": _VALIDATION,
    },
    required=["url", "metadata"],
)
_ATTRIBUTES: dict[str, Declared] = {
    "id": text("The image's id", pattern=UUID),
    "name": text("A name for people", most=255, null=True),
    "status": text("How far the image is", readOnly=True, enum=list(STATUSES)),
    "visibility": text("Who sees the image", enum=list(VISIBILITIES)),
    "protected": {"type": "boolean", "description": "Whether deleting is refused"},
    "os_hidden": {"type": "boolean", "description": "Whether plain lists leave the image out"},
    "checksum": text("md5 of the bytes", most=32, null=True, readOnly=True),
    "os_hash_algo": text("How os_hash_value is made", most=64, null=True, readOnly=True),
    "os_hash_value": text("Hash of the bytes by os_hash_algo, in hexadecimal", most=128, null=True, readOnly=True),
    "owner": text("The project that owns the image", most=255, null=True),
    "size": {"type": ["null", "integer"], "readOnly": True, "description": "Bytes of the image"},
    "virtual_size": {"type": ["null", "integer"], "readOnly": True, "description": "Bytes of the disk it becomes"},
    "container_format": text("What the disk is packed in", null=True, enum=[None, *CONTAINER_FORMATS]),
    "disk_format": text("The format of the disk", null=True, enum=[None, *DISK_FORMATS]),
    "created_at": text("When the image was created", readOnly=True),
    "updated_at": text("When the image changed last", readOnly=True),
    "tags": array({"type": "string", "maxLength": 255}, description="Words to find the image by"),
    "direct_url": text("Where the bytes are", readOnly=True),
    "min_ram": {"type": "integer", "description": "Memory that a guest needs, in MiB"},
    "min_disk": {"type": "integer", "description": "Disk that a guest needs, in GiB"},
    "self": text("The image's path", readOnly=True),
    "file": text("The path of the image's bytes", readOnly=True),
    "stores": text("The stores that hold the bytes, with commas", readOnly=True),
    "schema": text("The path of this schema", readOnly=True),
    "locations": array(LOCATION, description="Where the bytes are"),
}
_KNOWN_PROPERTIES: dict[str, Declared] = {
    "kernel_id": text("The image that is the kernel of this one", null=True, pattern=UUID),
    "ramdisk_id": text("The image that is the first file system of this one", null=True, pattern=UUID),
    "instance_uuid": text("The server that this image was made of"),
    "architecture": text("The processor that the image is for"),
    "os_distro": text("The distribution of the operating system, in lower case"),
    "os_version": text("The version of the operating system, as its makers write it"),
    "description": text("What the image is, in words"),
    "cinder_encryption_key_id": text("The key of an image that was made of an encrypted volume"),
    "cinder_encryption_key_deletion_policy": text(
        "What becomes of that key when the image is deleted", enum=["on_image_deletion", "do_not_delete"]
    ),
}
SCHEMA: Declared = {
    "properties": {
        **_ATTRIBUTES,
        **{name: {**declared, "is_base": False} for name, declared in _KNOWN_PROPERTIES.items()},
    },
    "additionalProperties": {"type": "string"},
}
_OBJECT = {"type": "object", **SCHEMA}


def shown(image: Image, properties: Mapping[str, Any], places: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """The image's JSON: with the properties and the places (``url``, ``metadata``) that the caller may see."""
    row = image.row
    path = f"/v2/images/{row.id}"
    made = {
        **properties,
        "name": row.name,
        "disk_format": row.disk_format,
        "container_format": row.container_format,
        "visibility": row.visibility,
        "size": row.size,
        "virtual_size": row.virtual_size,
        "status": row.status,
        "checksum": row.checksum,
        "protected": row.protected,
        "min_ram": row.min_ram,
        "min_disk": row.min_disk,
        "owner": row.owner,
        "os_hidden": row.os_hidden,
        "os_hash_algo": row.os_hash_algo,
        "os_hash_value": row.os_hash_value,
        "id": row.id,
        "created_at": iso(row.created_at),
        "updated_at": iso(row.updated_at),
        "locations": list(places),
        "tags": list(image.tags),
        "self": path,
        "file": f"{path}/file",
        "schema": "/v2/schemas/image",
    }
    if places:
        made["direct_url"] = places[0]["url"]
    for name, column in _PROGRESS.items():
        if (value := getattr(row, column)) is not None:
            made[name] = value
    return made


_PROGRESS = {
    "stores": "stores",
    "os_glance_import_task": "import_task",
    "os_glance_importing_to_stores": "importing_to_stores",
    "os_glance_failed_import": "failed_import",
}
"""What is shown only where there is something to say → the column that says it."""


def checked(name: str, value: Any) -> Any:
    """`value` for the attribute or property `name`, as the record keeps it. Raises 400 in Glance's words."""
    require("image", _OBJECT, {name: value})
    if name in ("min_disk", "min_ram"):
        return _amount(name, value)
    return tag_list(value) if name == "tags" else value


def _amount(name: str, value: int) -> int:
    if not 0 <= value <= MAX_INT:
        reason = "Cannot be a negative value" if value < 0 else f"It can be {MAX_INT} at most"
        raise BadRequest(f"Invalid value '{value}' for parameter '{name}': {reason}")
    return value


def tag_list(value: list[str]) -> list[str]:
    """Tags as the record keeps them. Raises 413."""
    found = sorted(set(value))
    if len(found) > MAX_TAGS:
        raise too_many("tags", MAX_TAGS, len(found))
    return found


def too_many(what: str, most: int, given: int) -> TooLarge:
    """Glance's refusal of more tags or properties than it keeps."""
    return TooLarge(
        f"The limit has been exceeded on the number of allowed image {what}. Attempted: {given}, Maximum: {most}"
    )


def read_only(name: str) -> NotAllowed:
    """Glance's refusal of an attribute that only the service writes."""
    return NotAllowed(f"Attribute '{name}' is read-only.", code="HTTPForbidden")


def reserved(name: str) -> NotAllowed:
    """Glance's refusal of a property that the service keeps for itself."""
    return NotAllowed(f"Attribute '{name}' is reserved.", code="HTTPForbidden")


class Draft(Struct, frozen=True):
    """A create request. `owner` and `visibility` may be missing in `columns`."""

    id: str | None
    columns: dict[str, Any]
    properties: dict[str, str]
    tags: list[str]


def created(body: Mapping[str, Any]) -> Draft:
    """A create request. Raises 400, and 403 for what only Glance writes."""
    for name in ("direct_url", "self", "file", "schema", "stores"):
        if name in body:
            raise read_only(name)
    require("image", _OBJECT, body)
    for name in body:
        if len(name) > 255:
            raise BadRequest("Custom property should not be greater than 255 characters.")
        if name in RESERVED or name == "locations" or name.startswith(RESERVED_PREFIX):
            raise reserved(name)
        if name in READ_ONLY and name != "id":
            raise read_only(name)
    columns = {name: _amount(name, body[name]) for name in ("min_disk", "min_ram") if name in body}
    columns.update({name: body[name] for name in BASE if name in body and name not in columns})
    taken = {*BASE, "id", "tags"}
    properties = {name: value for name, value in body.items() if name not in taken}
    if len(properties) > MAX_PROPERTIES:
        raise too_many("properties", MAX_PROPERTIES, len(properties))
    image_id = body.get("id")
    return Draft(image_id and image_id.lower(), columns, properties, tag_list(body.get("tags", [])))


ALWAYS = tuple(name for name in _ATTRIBUTES if name not in ("direct_url", "stores"))
SHOWN = Document(SCHEMA, always=ALWAYS)
CREATION = Document(SCHEMA, read=created)
_TEXTS = (
    *("id", "name", "owner", "status", "visibility", "member_status", "container_format", "disk_format"),
    *("checksum", "os_hash_algo", "os_hash_value", "created_at", "updated_at", "sort"),
)
_NUMBERS = ("size", "size_min", "size_max", "virtual_size", "min_ram", "min_disk")
QUERY = Query(
    {
        **PAGE,
        **dict.fromkeys(_TEXTS, str),
        **dict.fromkeys(_NUMBERS, int),
        **dict.fromkeys(("protected", "os_hidden"), bool),
        **{name: [str] for name in ("sort_key", "sort_dir", "tag")},
    },
    others=str,
)
"""Other names are those of properties."""
