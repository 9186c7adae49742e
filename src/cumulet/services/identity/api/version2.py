"""The v2.0 API as far as old clients need it to log in: a thin view on v3, on the default domain alone."""

from __future__ import annotations

from typing import Any

from cumulet.auth import Unauthenticated
from cumulet.http import Call, Reply
from cumulet.http.bodies import under
from cumulet.http.faults import NotFound
from cumulet.http.operation import LOGIN
from cumulet.services.identity.api.auth import own_actor
from cumulet.services.identity.api.tokens import logged_in
from cumulet.services.identity.model import projects
from cumulet.services.identity.model.receipts import Incomplete
from cumulet.services.identity.model.tokens import REFUSED
from cumulet.services.identity.service import identity
from cumulet.services.identity.wire import version2 as wire
from cumulet.services.identity.wire.collections import filters
from cumulet.services.identity.wire.discovery import VERSION


def description(call: Call) -> dict[str, Any]:
    """How version discovery lists this version."""
    return {
        "id": "v2.0",
        "status": "deprecated",
        "updated": "2016-08-04T00:00:00Z",
        "links": [{"rel": "self", "href": f"{call.base_url}/v2.0/"}],
        "media-types": [{"base": "application/json", "type": "application/vnd.openstack.identity-v2.0+json"}],
    }


@identity.get("/v2.0", auth=False, transaction="none", response=under("version", VERSION))
def version(call: Call) -> Reply:
    """Show version 2.0."""
    return Reply({"version": description(call)}, headers={"Vary": "X-Auth-Token"})


@identity.post(
    "/v2.0/tokens",
    audit=LOGIN,
    auth=False,
    request=wire.AuthRequest,
    faults=(401, 403, 503),
    response=under("access", wire.ACCESS),
)
async def issue(call: Call) -> Reply:
    """Authenticate and get a token, as clients of v2.0 do."""
    auth = wire.as_version3(call.body.auth)
    try:
        token, record = await logged_in(call, auth)
    except (Incomplete, NotFound):  # v2.0 has no word for a second factor, and none for a token that is nothing
        raise Unauthenticated(REFUSED) from None
    if not wire.can_tell(record):
        raise Unauthenticated(REFUSED)
    return Reply(wire.access(token, record), headers={"Vary": "X-Auth-Token"})


@identity.get("/v2.0/tenants", policy="identity:get_auth_projects", response=wire.TENANTS, query=filters())
def browse_tenants(call: Call) -> dict[str, Any]:
    """List the projects of the default domain that one can get a token for."""
    rows = projects.enabled_reachable(call.tx, call.query, own_actor(call), domains=False)
    return {"tenants": [wire.tenant(row) for row in rows if row.domain_id == wire.DOMAIN], "tenants_links": []}
