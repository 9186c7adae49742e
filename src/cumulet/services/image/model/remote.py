"""Another region's image as the source of an import: what its image service says, and what becomes of it here.

The answer of another cloud is untrusted like a client's request: what it says passes the same checks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from cumulet.db import Transaction
from cumulet.http.faults import Fault
from cumulet.services.image.model.fetching import Rules
from cumulet.services.image.tables import ImageRow, images
from cumulet.services.image.wire import images as wire

_COPIED = ("hw_", "trait:", "os_distro", "os_secure_boot", "os_type")
"""Properties that begin with one of these come along, as in Glance."""


class Described(Struct, frozen=True):
    """What the other image service says of its image."""

    disk_format: str
    container_format: str
    properties: Mapping[str, str]


def root(endpoint: str) -> str:
    """The URL of the image service without its version."""
    return endpoint.rstrip("/").removesuffix("/v2")


def rules(usual: Rules, endpoint: str) -> Rules:
    """The operator's catalog names the endpoint: its host and port are let through, and only they."""
    parts = urlsplit(endpoint)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    host = (parts.hostname or "").lower()
    return replace(usual, allowed_hosts=(host,), ports=(port,))


def described(body: Any) -> Described:
    """The other image service's answer. Raises ValueError with the reason."""
    if not isinstance(body, dict):
        raise ValueError("its description is no object")
    if body.get("status") != "active":
        raise ValueError(f"Source image status should be active instead of {body.get('status')}")
    if not isinstance(body.get("size"), int):
        raise ValueError("its size is not known")
    try:
        disk, container = (wire.checked(name, body.get(name)) for name in ("disk_format", "container_format"))
        found = {
            name: wire.checked(name, value)
            for name, value in body.items()
            if name.startswith(_COPIED) and isinstance(value, str)
        }
    except Fault as fault:
        raise ValueError(fault.message) from None
    if disk is None or container is None or len(found) > wire.MAX_PROPERTIES:
        raise ValueError("its description is not one that an image may have")
    return Described(disk, container, found)


def take(tx: Transaction, image: ImageRow, found: Described) -> None:
    """The image becomes what the other one is."""
    properties = {**image.properties, **found.properties}
    values = {"disk_format": found.disk_format, "container_format": found.container_format}
    tx.update(images, images.c.id == image.id, **values, properties=properties, updated_at=tx.now)
