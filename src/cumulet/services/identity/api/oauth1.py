"""The three steps of OAuth1: a consumer asks, a user authorizes, the consumer gets an access token.

The consumer's steps are open to everyone with a signature; answers are form-encoded, as RFC 5849 has them.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from cumulet.db import iso
from cumulet.http import Call, Reply
from cumulet.http.bodies import under
from cumulet.http.faults import BadRequest
from cumulet.services.identity.model import application_credentials, delegation
from cumulet.services.identity.model import oauth1 as model
from cumulet.services.identity.model import oauth1_signatures as signatures
from cumulet.services.identity.model.scopes import expecting
from cumulet.services.identity.service import identity
from cumulet.services.identity.wire import oauth1 as wire
from cumulet.services.identity.wire.application_credentials import references

_FORM = "application/x-www-form-urlencoded"


def _checked(call: Call, kind: str) -> None:
    """Raise 400 or 401 unless the request is signed well, for the first time."""
    url = f"{call.base_url}{call.path}" + (f"?{call.raw_query}" if call.raw_query else "")
    nonce_id = signatures.Signatures(call.tx, call.context.vault).check(kind, url, call.headers)
    signatures.spend(call.tx, nonce_id)


def _told(made: model.Issued) -> Reply:
    told = {
        "oauth_token": made.id,
        "oauth_token_secret": made.secret,
        "oauth_expires_at": iso(made.expires_at, micro=True),
    }
    return Reply(urlencode(told, safe=":"), 201, content_type=_FORM)


@identity.post("/v3/OS-OAUTH1/request_token", auth=False, faults=(401, 404), status=201, response=wire.FORM)
def request_token(call: Call) -> Reply:
    """Ask for a request token, as a consumer."""
    given = signatures.parameters(call.headers, "oauth_consumer_key")
    project_id = call.headers.get("requested-project-id")
    if not project_id:
        raise BadRequest(expecting("Requested-Project-Id", "request"))
    model.consumer(call.tx, given["oauth_consumer_key"])
    _checked(call, "request")
    return _told(model.request(call.tx, call.context.vault, given["oauth_consumer_key"], project_id))


@identity.put(
    "/v3/OS-OAUTH1/authorize/{request_token_id}",
    policy="identity:authorize_request_token",
    request=wire.AuthorizeRequest,
    response=under("token", {"oauth_verifier": str}),
)
def authorize(call: Call, request_token_id: str) -> Any:
    """Authorize a request token for some of one's own roles."""
    delegation.refuse(call.caller, "Cannot authorize a request token with a token issued via delegation.")
    role_ids = application_credentials.role_ids(call.tx, references(call.body.roles))
    verifier = model.authorize(call.tx, request_token_id, call.caller.user_id, role_ids)
    return {"token": {"oauth_verifier": verifier}}


@identity.post("/v3/OS-OAUTH1/access_token", auth=False, faults=(401, 404), status=201, response=wire.FORM)
def access_token(call: Call) -> Reply:
    """Change an authorized request token for an access token, as a consumer."""
    given = signatures.parameters(call.headers, "oauth_consumer_key", "oauth_token", "oauth_verifier")
    row = model.waiting(call.tx, given["oauth_token"])
    _checked(call, "exchange")
    return _told(model.exchange(call.tx, call.context.vault, row))
