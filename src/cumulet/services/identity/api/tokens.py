"""Tokens: issue, show, check, revoke."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cumulet.auth import Unauthenticated
from cumulet.db import Transaction
from cumulet.http import Call, Reply
from cumulet.http.bodies import Query, under
from cumulet.http.faults import JSON, Fault, NotFound
from cumulet.http.operation import LOGIN
from cumulet.services.identity.api.turns import account_of, in_turn
from cumulet.services.identity.context import IdentityContext
from cumulet.services.identity.model import login
from cumulet.services.identity.model import tokens as model
from cumulet.services.identity.model.methods import Attempt
from cumulet.services.identity.model.receipts import Incomplete
from cumulet.services.identity.model.tokens import ALLOW_EXPIRED_WINDOW_S, Record
from cumulet.services.identity.service import identity
from cumulet.services.identity.wire import tokens as wire


@identity.post(
    "/v3/auth/tokens",
    audit=LOGIN,
    auth=False,
    faults=(401, 403, 503),
    request=wire.AuthRequest,
    status=201,
    response=under("token", wire.TOKEN),
    query=wire.QUERY,
)
async def issue(call: Call) -> Reply:
    """Authenticate and get a token."""
    try:
        token, record = await logged_in(call, call.body.auth)
    except Incomplete as further:
        return Reply(further.body, 401, {"Openstack-Auth-Receipt": further.receipt, "Vary": "X-Auth-Token"})
    return reply(call, token, record)


async def logged_in(call: Call, auth: wire.Auth) -> tuple[str, Record]:
    """The token and its record for `auth`. What needs no more than a token is no guess, and does not queue."""
    if auth.identity.methods == ["token"]:
        found = await call.in_thread(login.log_in, attempt(call), auth)
    else:
        found = await in_turn(call, account_of(auth.identity), login.log_in, attempt(call), auth)
    call.proven = found[1].caller
    return found


def attempt(call: Call, assertion: Mapping[str, Any] | None = None) -> Attempt:
    """The request as the methods see it; `assertion`: what an identity provider says."""
    url = f"{call.base_url}{call.path}" + (f"?{call.raw_query}" if call.raw_query else "")
    return Attempt(call.db, call.context, call.method, url, call.headers, assertion)


@identity.get(
    "/v3/auth/tokens",
    faults=(404,),
    policy_in_handler="identity:validate_token",
    response=under("token", wire.TOKEN),
    query=wire.QUERY_OF_SHOWN,
)
async def show(call: Call) -> Reply:
    """Validate a token and show what it is for; HEAD only checks it."""
    with call.db.read() as tx:
        token, record = _subject(call, tx)
        call.require("identity:check_token" if call.method == "HEAD" else "identity:validate_token", _target(record))
        return reply(call, token, record)


@identity.delete(
    "/v3/auth/tokens",
    audit="revoke",
    faults=(404,),
    policy_in_handler="identity:revoke_token",
    query=Query({"cascade": bool}),
)
def revoke(call: Call) -> None:
    """Revoke a token and what was made from it; with ``?cascade=false`` only the token."""
    _, record = _subject(call, call.tx)
    call.require("identity:revoke_token", _target(record))
    model.revoke(call.tx, record.payload, cascade=_true(call.query.get("cascade", ["true"])[-1]))


@identity.get("/v3/auth/tokens/OS-PKI/revoked", auth=False, faults=(410,), transaction="none")
def list_revoked(call: Call) -> None:
    """List revoked tokens: no longer possible, as tokens are not kept."""
    raise Fault("The service you have requested is no longer available on this server.", status=410)


def _subject(call: Call, tx: Transaction) -> tuple[str, Record]:
    """The token in X-Subject-Token, which need not be the caller's. Raises 404."""
    token = call.headers.get("x-subject-token", "")
    if not token:
        raise NotFound("No token in the request")
    late = "allow_expired" in call.query and _true(call.query["allow_expired"][-1])
    context: IdentityContext = call.context
    try:
        record = context.tokens.find(tx, token, window_s=ALLOW_EXPIRED_WINDOW_S if late else 0)
    except Unauthenticated:
        raise NotFound("Failed to validate token") from None
    if record.caller.access_rules is not None and not _keeps_access_rules(call):
        raise NotFound("Failed to validate token")
    return token, record


def _keeps_access_rules(call: Call) -> bool:
    """Whether who asks says to understand access rules; to others such a token is none."""
    try:
        return float(call.headers.get("openstack-identity-access-rules", "0")) >= 1
    except ValueError:
        return False


def _target(record: Record) -> Mapping[str, str]:
    return {"target.token.user_id": record.caller.user_id}


def reply(call: Call, token: str, record: Record) -> Reply:
    """The answer that hands out or shows `token`."""
    call.proven = record.caller
    with_catalog = "nocatalog" not in call.query
    headers = {"X-Subject-Token": token, "Vary": "X-Auth-Token"}
    return Reply(record.body(with_catalog=with_catalog), headers=headers, content_type=JSON)


def _true(text: str) -> bool:
    return text.strip().lower() not in ("0", "false", "f", "no", "n", "off")
