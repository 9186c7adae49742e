"""Shapes of providers' aggregates."""

from __future__ import annotations

from cumulet.http.bodies import Record, since

AGGREGATES = Record("Aggregates", {"aggregates": [str], "resource_provider_generation": since("1.19", int)})
