"""Discovery: the versions of the API."""

from __future__ import annotations

from typing import Any

from cumulet.http.bodies import Query
from cumulet.http.call import Call, Reply
from cumulet.services.image.service import image as service
from cumulet.services.image.wire.versions import VERSIONS

CURRENT = 17


def _versions(call: Call) -> dict[str, Any]:
    link = [{"rel": "self", "href": f"{call.base_url}/v2/"}]
    minors = range(CURRENT, -1, -1)
    return {
        "versions": [
            {"id": f"v2.{minor}", "status": "CURRENT" if minor == CURRENT else "SUPPORTED", "links": link}
            for minor in minors
        ]
    }


@service.get("/", auth=False, transaction="none", status=300, response=VERSIONS, query=Query({}))
def root(call: Call) -> dict[str, Any]:
    """Versions of the API, from the service's root."""
    return _versions(call)


@service.get("/versions", auth=False, transaction="none", response=VERSIONS, query=Query({}))
def versions(call: Call) -> dict[str, Any]:
    """Versions of the API."""
    return _versions(call)


@service.get("/v2", auth=False, transaction="none", status=300, response=VERSIONS, query=Query({}))
def v2(call: Call) -> Reply:
    """Versions of the API, as its own root answers."""
    return Reply(_versions(call))


@service.get("/v1", auth=False, transaction="none", status=300, response=VERSIONS, query=Query({}))
def v1(call: Call) -> dict[str, Any]:
    """Versions of the API, to a client of the version that ended long ago."""
    return _versions(call)


@service.get("/v1/{*rest}", auth=False, transaction="none", status=300, response=VERSIONS, query=Query({}))
def v1_read(call: Call, rest: str) -> dict[str, Any]:
    """Versions of the API, to a client that reads by the version that ended long ago."""
    return _versions(call)


@service.post("/v1/{*rest}", auth=False, transaction="none", status=300, response=VERSIONS)
def v1_write(call: Call, rest: str) -> dict[str, Any]:
    """Versions of the API, to a client that writes by the version that ended long ago."""
    return _versions(call)
