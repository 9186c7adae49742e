"""Which versions of the API there are, and which resources."""

from __future__ import annotations

from cumulet.http import Call
from cumulet.http.bodies import Query, under
from cumulet.services.network.extension import Body
from cumulet.services.network.service import network as service
from cumulet.services.network.wire.discovery import RESOURCE, VERSION

RESOURCES = {
    "network": "networks",
    "subnet": "subnets",
    "port": "ports",
    "router": "routers",
    "floatingip": "floatingips",
    "security_group": "security-groups",
    "security_group_rule": "security-group-rules",
    "quota": "quotas",
    "agent": "agents",
    "extension": "extensions",
}


@service.get("/", auth=False, transaction="none", response=under("versions", [VERSION]), query=Query({}))
def list_versions(call: Call) -> Body:
    """List versions of the API."""
    links = [{"rel": "self", "href": f"{call.base_url}/v2.0/"}]
    return {"versions": [{"id": "v2.0", "status": "CURRENT", "links": links}]}


@service.get("/v2.0", transaction="none", response=under("resources", [RESOURCE]), query=Query({}))
def list_resources(call: Call) -> Body:
    """List resources of the API."""
    return {
        "resources": [
            {
                "name": name,
                "collection": path.replace("-", "_"),
                "links": [{"rel": "self", "href": f"{call.base_url}/v2.0/{path}"}],
            }
            for name, path in RESOURCES.items()
        ]
    }
