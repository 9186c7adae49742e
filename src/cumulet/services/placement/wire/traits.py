"""Shapes of traits."""

from __future__ import annotations

from cumulet.http.bodies import Query, Record

TRAITS = Record("Traits", {"traits": [str]})
TRAITS_OF_PROVIDER = TRAITS.but("TraitsOfProvider", resource_provider_generation=int)
QUERY = Query({"name": str, "associated": bool})
