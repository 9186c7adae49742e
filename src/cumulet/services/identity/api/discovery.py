"""Version discovery: ``/`` and ``/v3``, open to everyone."""

from __future__ import annotations

from typing import Any

import msgspec

from cumulet.http import Call, Reply
from cumulet.services.identity.api import version2
from cumulet.services.identity.service import identity
from cumulet.services.identity.wire import discovery as wire
from cumulet.services.identity.wire import json_home


def _version(call: Call) -> dict[str, Any]:
    return {
        "id": "v3.14",
        "status": "stable",
        "updated": "2020-04-07T00:00:00Z",
        "links": [{"rel": "self", "href": f"{call.base_url}/v3/"}],
        "media-types": [{"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}],
    }


def _home(prefix: str) -> Reply:
    paths = (operation.path for operation in identity.operations)
    body = msgspec.json.encode(json_home.document(paths, prefix))
    return Reply(body, 200, {"Vary": "Accept"}, json_home.MEDIA_TYPE)


@identity.get("/", status=300, also=(200,), auth=False, transaction="none", response=wire.VERSIONS_OR_HOME)
def versions(call: Call) -> Reply:
    """List the versions of the API; to who accepts JSON home, its resources."""
    if json_home.wanted(call.headers.get("accept", "")):
        return _home("/v3")
    headers = {"Vary": "X-Auth-Token", "Location": f"{call.base_url}/v3/"}
    return Reply({"versions": {"values": [_version(call), version2.description(call)]}}, 300, headers)


@identity.get("/v3", auth=False, transaction="none", response=wire.VERSION_OR_HOME)
def version(call: Call) -> Reply:
    """Show version 3; to who accepts JSON home, its resources."""
    if json_home.wanted(call.headers.get("accept", "")):
        return _home("")
    return Reply({"version": _version(call)}, headers={"Vary": "X-Auth-Token"})
