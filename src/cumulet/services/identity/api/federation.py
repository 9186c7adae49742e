"""Federation: authenticating through an identity provider, and what a federated token gives access to.

OpenID Connect is here: a bearer token of the identity provider, checked by its keys. SAML and logging in by a browser
(WebSSO) are not, and their operations say so.
"""

from __future__ import annotations

from typing import Any

from cumulet.http import Call, Reply
from cumulet.http.bodies import EMPTY, under
from cumulet.http.faults import NotFound
from cumulet.http.operation import LOGIN
from cumulet.services.identity.api import auth
from cumulet.services.identity.api.tokens import attempt, reply
from cumulet.services.identity.api.turns import in_turn
from cumulet.services.identity.model import federation as model
from cumulet.services.identity.service import identity
from cumulet.services.identity.wire import projects as wire
from cumulet.services.identity.wire.collections import listed
from cumulet.services.identity.wire.tokens import QUERY, TOKEN

_PROTOCOL = "/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}"
_NO_SAML = "SAML is not configured: this service neither makes nor reads SAML assertions. Use OpenID Connect."
_NO_WEBSSO = (
    "Web single sign-on is not configured: this service takes bearer tokens of OpenID Connect at "
    f"/v3{_PROTOCOL}/auth and runs no login pages."
)


@identity.get(f"/v3{_PROTOCOL}/auth", audit=LOGIN, auth=False, status=201, response=under("token", TOKEN), query=QUERY)
async def authenticate(call: Call, idp_id: str, protocol_id: str) -> Reply:
    """Get an unscoped token for a bearer token of an identity provider."""
    return await _authenticated(call, idp_id, protocol_id)


@identity.post(f"/v3{_PROTOCOL}/auth", audit=LOGIN, auth=False, status=201, response=under("token", TOKEN), query=QUERY)
async def authenticate_by_post(call: Call, idp_id: str, protocol_id: str) -> Reply:
    """Get an unscoped token for a bearer token of an identity provider."""
    return await _authenticated(call, idp_id, protocol_id)


async def _authenticated(call: Call, idp_id: str, protocol_id: str) -> Reply:
    token, record = await in_turn(call, 0, model.log_in, attempt(call), idp_id, protocol_id)
    return reply(call, token, record)


@identity.get(
    "/v3/OS-FEDERATION/projects",
    policy="identity:get_auth_projects",
    response=listed("projects", wire.PROJECT),
    query=wire.REACHABLE_QUERY,
)
def browse_projects(call: Call) -> Any:
    """List the projects one can get a token for."""
    return auth.browse_projects(call)


@identity.get(
    "/v3/OS-FEDERATION/domains",
    policy="identity:get_auth_domains",
    response=listed("domains", wire.DOMAIN),
    query=wire.REACHABLE_QUERY,
)
def browse_domains(call: Call) -> Any:
    """List the domains one can get a token for."""
    return auth.browse_domains(call)


@identity.get("/v3/OS-FEDERATION/saml2/metadata", auth=False, faults=(404,), response=EMPTY)
def saml2_metadata(call: Call) -> Any:
    """Say that there is no SAML metadata."""
    raise NotFound(_NO_SAML)


@identity.post(
    "/v3/auth/OS-FEDERATION/saml2", audit=LOGIN, auth=False, faults=(404,), transaction="none", response=EMPTY
)
def saml2_assertion(call: Call) -> Any:
    """Say that there are no SAML assertions."""
    raise NotFound(_NO_SAML)


@identity.post(
    "/v3/auth/OS-FEDERATION/saml2/ecp", audit=LOGIN, auth=False, faults=(404,), transaction="none", response=EMPTY
)
def saml2_ecp_assertion(call: Call) -> Any:
    """Say that there are no SAML assertions, wrapped or not."""
    raise NotFound(_NO_SAML)


@identity.get("/v3/auth/OS-FEDERATION/websso/{protocol_id}", audit=LOGIN, auth=False, response=EMPTY)
def websso(call: Call, protocol_id: str) -> Any:
    """Say that there is no login by a browser."""
    raise NotFound(_NO_WEBSSO)


@identity.post(
    "/v3/auth/OS-FEDERATION/websso/{protocol_id}", audit=LOGIN, auth=False, transaction="none", response=EMPTY
)
def websso_by_post(call: Call, protocol_id: str) -> Any:
    """Say that there is no login by a browser."""
    raise NotFound(_NO_WEBSSO)


@identity.get(f"/v3/auth{_PROTOCOL}/websso", audit=LOGIN, auth=False, response=EMPTY)
def websso_of_provider(call: Call, idp_id: str, protocol_id: str) -> Any:
    """Say that there is no login by a browser."""
    raise NotFound(_NO_WEBSSO)


@identity.post(f"/v3/auth{_PROTOCOL}/websso", audit=LOGIN, auth=False, transaction="none", response=EMPTY)
def websso_of_provider_by_post(call: Call, idp_id: str, protocol_id: str) -> Any:
    """Say that there is no login by a browser."""
    raise NotFound(_NO_WEBSSO)
