"""Shapes of discovery."""

from __future__ import annotations

from cumulet.http.bodies import Record, optional
from cumulet.services.compute.wire.links import LINKS

VERSION = Record(
    "ApiVersion",
    {"id": str, "status": str, "version": str, "min_version": str, "updated": str, "links": LINKS},
)
DETAILED_VERSION = VERSION.but(
    "DetailedApiVersion",
    **{"links": [{"rel": str, "href": str, "type": optional(str)}], "media-types": [{"base": str, "type": str}]},
)
