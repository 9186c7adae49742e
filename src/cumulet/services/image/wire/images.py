"""The image as Glance shows it, and the checks of what clients send.

An image is an open object: whatever is not an attribute of Glance's is a property, and properties are strings.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from cumulet.http.faults import BadRequest, Fault, NotAllowed, TooLarge
from cumulet.services.image.model.images import BASE, Image
from cumulet.store import iso

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
        "id",
        "os_hash_algo",
        "os_hash_value",
    }
)
RESERVED = frozenset({"location", "deleted", "deleted_at", "upload_id", "properties"})
_ID = re.compile(r"^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){12}$")
MAX_PROPERTIES = 128
MAX_TAGS = 128
_MAX_INT = 2**31 - 1


def shown(image: Image) -> dict[str, Any]:
    """The image's JSON."""
    row = image.row
    path = f"/v2/images/{row.id}"
    return {
        **row.properties,
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
        "tags": list(image.tags),
        "self": path,
        "file": f"{path}/file",
        "schema": "/v2/schemas/image",
    }


def _mismatch(reason: str) -> Fault:
    return BadRequest(f"Provided object does not match schema 'image': {reason}")


def checked(name: str, value: Any) -> Any:
    """`value` for the attribute or property `name`. Raises 400 with Glance's words."""
    if name in ("min_disk", "min_ram"):
        return _integer(value)
    if name in ("protected", "os_hidden"):
        return _typed(value, bool, "boolean")
    if name == "visibility":
        return _one_of(value, VISIBILITIES)
    if name in ("disk_format", "container_format"):
        return value if value is None else _one_of(value, _formats(name))
    if name in ("name", "owner"):
        return None if value is None else _text(value)
    if name == "tags":
        return _tags(value)
    if len(name) > 255:
        raise _mismatch(f"'{name}' is too long")
    text = _typed(value, str, "string")
    if len(text) > 65535:
        raise _mismatch(f"value of '{name}' is too long")
    return text


def _formats(name: str) -> tuple[str, ...]:
    return DISK_FORMATS if name == "disk_format" else CONTAINER_FORMATS


def _one_of(value: Any, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise _mismatch(f"{value!r} is not one of {list(choices)}")
    return str(value)


def _typed(value: Any, kind: type, word: str) -> Any:
    if not isinstance(value, kind):
        raise _mismatch(f"{value!r} is not of type '{word}'")
    return value


def _integer(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _mismatch(f"{value!r} is not of type 'integer'")
    if not 0 <= value <= _MAX_INT:
        raise _mismatch(f"{value} is {'less than the minimum of 0' if value < 0 else 'greater than the maximum'}")
    return value


def _text(value: Any) -> str:
    text = str(_typed(value, str, "string"))
    if len(text) > 255:
        raise _mismatch(f"{text!r} is too long")
    return text


def _tags(value: Any) -> list[str]:
    found = sorted({_text(tag) for tag in _typed(value, list, "array")})
    if len(found) > MAX_TAGS:
        raise too_many("tags", MAX_TAGS, len(found))
    return found


def too_many(what: str, most: int, given: int) -> TooLarge:
    """Glance's refusal of more tags or properties than it keeps."""
    return TooLarge(
        f"The limit has been exceeded on the number of allowed image {what}. Attempted: {given}, Maximum: {most}"
    )


def created(body: Mapping[str, Any]) -> tuple[str | None, dict[str, Any], list[str]]:
    """A create request's (id, columns, tags). Raises 400, and 403 for what only Glance writes."""
    for name in body:
        if name in READ_ONLY - {"id"}:
            raise NotAllowed(f"Attribute '{name}' is read-only.", code="HTTPForbidden")
        if name in RESERVED or name == "locations":
            raise NotAllowed(f"Attribute '{name}' is reserved.", code="HTTPForbidden")
    image_id = body.get("id")
    if image_id is not None and not (isinstance(image_id, str) and _ID.match(image_id)):
        raise _mismatch(f"{image_id!r} does not match the pattern of a UUID")
    columns: dict[str, Any] = {}
    properties: dict[str, str] = {}
    for name, value in body.items():
        if name in ("id", "tags"):
            continue
        (columns if name in BASE else properties)[name] = checked(name, value)
    if len(properties) > MAX_PROPERTIES:
        raise too_many("properties", MAX_PROPERTIES, len(properties))
    return image_id and image_id.lower(), {**columns, "properties": properties}, checked("tags", body.get("tags", []))
