"""Endpoints of the catalog."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from cumulet.db import Transaction, select_as
from cumulet.http.collections import Query
from cumulet.http.faults import BadRequest
from cumulet.services.identity.model import endpoint_filters, generation, lookups, policies, regions
from cumulet.services.identity.model.catalog import SLOTS
from cumulet.services.identity.model.filters import listed
from cumulet.services.identity.tables import EndpointRow, RegionRow, ServiceRow, endpoints

COLUMNS = {
    "id": endpoints.c.id,
    "service_id": endpoints.c.service_id,
    "region_id": endpoints.c.region_id,
    "region": endpoints.c.region_id,
    "interface": endpoints.c.interface,
    "enabled": endpoints.c.enabled,
}
_SLOT = re.compile(r"[$%]\(([^)]*)\)(.?)")


def browse(tx: Transaction, query: Query) -> Sequence[EndpointRow]:
    """Endpoints that fit `query`. One query, two with a marker."""
    return listed(tx, select_as(EndpointRow), query, COLUMNS)


def create(tx: Transaction, fields: Mapping[str, Any]) -> EndpointRow:
    """A new endpoint. Raises 400, 404."""
    values = {**_checked(tx, fields), "id": uuid.uuid4().hex, "follows": False}
    tx.insert(endpoints, values)
    generation.bump(tx)
    return lookups.get(tx, EndpointRow, values["id"])


def update(tx: Transaction, endpoint_id: str, fields: Mapping[str, Any]) -> EndpointRow:
    """Change an endpoint; a URL that is given stays, whatever the cloud listens on later. Raises 400, 404."""
    kept = {"follows": False} if "url" in fields else {}
    tx.update(endpoints, endpoints.c.id == endpoint_id, **_checked(tx, fields), **kept)
    generation.bump(tx)
    return lookups.get(tx, EndpointRow, endpoint_id)


def delete(tx: Transaction, endpoint_id: str) -> None:
    """Delete an endpoint."""
    endpoint_filters.forget(tx, endpoint_ids=[endpoint_id])
    policies.forget(tx, endpoint_ids=[endpoint_id])
    tx.delete(endpoints, endpoints.c.id == endpoint_id)
    generation.bump(tx)


def _checked(tx: Transaction, fields: Mapping[str, Any]) -> dict[str, Any]:
    values = dict(fields)
    if "service_id" in values:
        lookups.get(tx, ServiceRow, values["service_id"])
    if "url" in values:
        _check_url(values["url"])
    older = values.pop("region", None)  # the name of before regions were a noun; such a region is made
    if older is not None and values.get("region_id") is None:
        values["region_id"] = older
        if lookups.find(tx, RegionRow, older) is None:
            regions.create(tx, {"id": older})
    elif values.get("region_id") is not None and lookups.find(tx, RegionRow, values["region_id"]) is None:
        raise BadRequest(
            "Expecting to find endpoint region_id in region table. The server could not comply with the request since "
            "it is either malformed or otherwise incorrect. The client is assumed to be in error."
        )
    return values


def _check_url(url: str) -> None:
    for name, kind in _SLOT.findall(url):
        if name not in SLOTS or kind != "s":
            raise BadRequest(f"Cannot create an endpoint with an invalid URL: {url}.")
