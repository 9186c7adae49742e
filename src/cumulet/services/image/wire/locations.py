"""Locations of the calls that are only about them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cumulet.http.bodies import OneOf, Record
from cumulet.http.faults import BadRequest
from cumulet.services.image.wire.schema import Document, record, require

_VALIDATION = record(
    {
        "os_hash_algo": {"type": "string", "maxLength": 64, "enum": ["sha1", "sha256", "sha512", "md5"]},
        "os_hash_value": {"type": "string", "maxLength": 128},
    },
    description="What the bytes are said to hash to",
    additionalProperties=False,
)
_ADDED = record({"url": {"type": "string", "maxLength": 1024}, "validation_data": _VALIDATION})


def added(body: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """An address and what the bytes there are said to hash to. Raises 400."""
    require("location", _ADDED, body)
    if "url" not in body:
        raise BadRequest("'url' is required to add a location.")
    validation = dict(body.get("validation_data", {}))
    if "os_hash_value" in validation and "os_hash_algo" not in validation:
        raise BadRequest("'os_hash_algo' is required with 'os_hash_value'.")
    return str(body["url"]), validation


ADDED = Document(_ADDED, read=added)
SHOWN = Record("ImageLocation", {"url": str, "metadata": dict})
LISTED = OneOf([SHOWN])
