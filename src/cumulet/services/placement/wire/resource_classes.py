"""Shapes of resource classes."""

from __future__ import annotations

from cumulet.http.bodies import Record
from cumulet.services.placement.wire.resource_providers import LINKS

RESOURCE_CLASS = Record("ResourceClass", {"name": str, "links": LINKS})
