"""Shapes of usages."""

from __future__ import annotations

from cumulet.http.bodies import Query, Record, since, until

OF_PROVIDER = Record("UsagesOfProvider", {"resource_provider_generation": int, "usages": {str: int}})
OF_PROJECT = Record(
    "UsagesOfProject",
    {"usages": (until("1.37", {str: int}), since("1.38", {str: Record("", {"consumer_count": int}, others=int)}))},
)
QUERY = Query({"project_id": str, "user_id": str, "consumer_type": since("1.38", str)})
