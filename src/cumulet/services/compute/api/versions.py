"""Discovery: which versions of the API there are. Open to everyone."""

from __future__ import annotations

from typing import Any

from cumulet.http import Call
from cumulet.http.bodies import Query, under
from cumulet.http.versions import text
from cumulet.services.compute.service import MICROVERSIONS, service
from cumulet.services.compute.wire.versions import DETAILED_VERSION, VERSION


def _version(call: Call, name: str, *, single: bool) -> dict[str, Any]:
    current = name == "v2.1"
    links = [{"rel": "self", "href": f"{call.base_url}/{name}/"}]
    body: dict[str, Any] = {
        "id": "v2.1" if current else "v2.0",
        "status": "CURRENT" if current else "SUPPORTED",
        "version": text(MICROVERSIONS.maximum) if current else "",
        "min_version": text(MICROVERSIONS.minimum) if current else "",
        "updated": "2013-07-23T11:33:21Z" if current else "2011-01-21T11:33:21Z",
        "links": links,
    }
    if single:
        links.append({"rel": "describedby", "type": "text/html", "href": "http://docs.openstack.org/"})
        kind = f"application/vnd.openstack.compute+json;version={'2.1' if current else '2'}"
        body["media-types"] = [{"base": "application/json", "type": kind}]
    return body


@service.get("/", auth=False, response=under("versions", [VERSION]), query=Query({}))
def index(call: Call) -> dict[str, Any]:
    """List the versions."""
    return {"versions": [_version(call, name, single=False) for name in ("v2", "v2.1")]}


@service.get("/v2.1", auth=False, response=under("version", DETAILED_VERSION))
def show(call: Call) -> dict[str, Any]:
    """Show one version."""
    name = "v2" if call.path.rstrip("/").endswith("/v2") else "v2.1"
    return {"version": _version(call, name, single=True)}
