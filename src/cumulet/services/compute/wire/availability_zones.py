"""Shapes of availability zones."""

from __future__ import annotations

from cumulet.http.bodies import Record

_SERVICE = Record("ServiceState", {"active": bool, "available": bool, "updated_at": str | None})
ZONE = Record("Zone", {"zoneName": str, "zoneState": {"available": bool}, "hosts": None})
DETAILED_ZONE = ZONE.but("DetailedZone", hosts={str: {str: _SERVICE}})
