"""Compresses answers for clients that ask: documents of text that are worth it, never streams of image bytes.

Clients on this machine get them as they are: compressing would cost both sides time and save nothing.
"""

from __future__ import annotations

import re
import zlib

SMALLEST = 2048
"""Bytes. Below, headers and packets outweigh what is saved."""
ON_THREAD = 65_536
"""From this size on, compressing takes about a millisecond and must not hold up other requests."""

_GZIP = re.compile(r"(?:^|,)\s*(?:gzip|x-gzip|\*)\s*(?:;\s*q\s*=\s*([\d.]+)\s*)?(?=,|\Z)", re.I)
_TEXT = ("application/json", "text/", "application/openstack")


def wanted(accept_encoding: str, content_type: str | None, size: int, client: str) -> bool:
    """Whether an answer goes compressed."""
    if size < SMALLEST or not accept_encoding or not (content_type or "").startswith(_TEXT):
        return False
    if client.startswith("127.") or client in ("", "::1"):
        return False
    weights = [found[1] for found in _GZIP.finditer(accept_encoding)]
    return bool(weights) and any(weight is None or weight.strip("0.") != "" for weight in weights)


def gzipped(data: bytes) -> bytes:
    """`data` as gzip, at the level that saves most per time."""
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    return packer.compress(data) + packer.flush()
