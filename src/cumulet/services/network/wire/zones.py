"""Shapes of availability zones and service providers."""

from __future__ import annotations

from cumulet.http.bodies import Query, Record

ZONE = Record("AvailabilityZone", {"name": str, "resource": str, "state": str})
PROVIDER = Record("ServiceProvider", {"service_type": str, "name": str, "default": bool})
QUERY = Query({name: [str] for name in ZONE.fields})
PROVIDERS_QUERY = Query({"service_type": [str], "name": [str]})
