"""Version discovery: ``/`` and ``/v3``, open to everyone."""

from __future__ import annotations

from typing import Any

from cumulet.http import Call, Reply
from cumulet.services.identity.api import version2
from cumulet.services.identity.service import identity


def _version(call: Call) -> dict[str, Any]:
    return {
        "id": "v3.14",
        "status": "stable",
        "updated": "2020-04-07T00:00:00Z",
        "links": [{"rel": "self", "href": f"{call.base_url}/v3/"}],
        "media-types": [{"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}],
    }


@identity.get("/", status=300, auth=False, transaction="none")
def versions(call: Call) -> Reply:
    """List the versions of the API."""
    headers = {"Vary": "X-Auth-Token", "Location": f"{call.base_url}/v3/"}
    return Reply({"versions": {"values": [_version(call), version2.description(call)]}}, 300, headers)


@identity.get("/v3", auth=False, transaction="none")
def version(call: Call) -> Reply:
    """Show version 3."""
    return Reply({"version": _version(call)}, headers={"Vary": "X-Auth-Token"})
