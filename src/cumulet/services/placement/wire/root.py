"""Shapes of discovery."""

from __future__ import annotations

from cumulet.http.bodies import Record
from cumulet.services.placement.wire.resource_providers import LINKS

VERSION = Record("ApiVersion", {"id": str, "max_version": str, "min_version": str, "status": str, "links": LINKS})
