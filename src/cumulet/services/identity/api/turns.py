"""Puts what hashes a password into the queue of logins, away from the threads that serve the APIs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from msgspec import UNSET

from cumulet.auth import Caller
from cumulet.auth.caller import DEFAULT_DOMAIN
from cumulet.http import Call
from cumulet.http.connections import share_of
from cumulet.http.faults import BadRequest
from cumulet.services.identity.context import IdentityContext
from cumulet.services.identity.model.turns import Job
from cumulet.services.identity.wire import tokens as wire

T = TypeVar("T")


async def in_turn(call: Call, account: int, work: Callable[..., T], *arguments: Any) -> T:
    """`work` on a thread for logins, when it is its turn. `account`: which one is tried, as a number; a caller
    with a token is one himself. Raises 503 when too many wait. What was not begun when the client has gone is never
    done."""
    context: IdentityContext = call.context
    caller = call.caller_or_none
    if caller:
        source, account = source_of(caller), hash(caller.user_id)
    else:
        source = share_of(call.client_address)
    job = context.turns.offer(Job(source, account, partial(work, *arguments), known=caller is not None))
    result = asyncio.wrap_future(job.future)
    if job.waits:
        gone = asyncio.ensure_future(call.client_gone())
        try:
            await asyncio.wait((result, gone), return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            withdrawn = not result.done() and context.turns.withdraw(job)
        if withdrawn:
            result.cancel()
            raise BadRequest("The client closed the connection before its turn.")
    found: T = await result
    return found


def source_of(caller: Caller) -> str:
    """Whose share a caller with a token counts towards: his domain's, whose manager makes as many users as he likes.
    Those of the first domain are made by the cloud's administrators: each of them has a share of his own."""
    if caller.user_domain_id == DEFAULT_DOMAIN:
        return f"user {caller.user_id}"
    return f"domain {caller.user_domain_id}"


def account_of(identity: wire.Identity) -> int:
    """Which account a login is about, whether there is such a one or not: a number that says nothing about it."""
    for block in (identity.password, identity.totp, identity.application_credential):
        if block is UNSET:
            continue
        user = block.user
        of_user = ("", "", "") if user is UNSET else (user.id, user.name, str(user.domain))
        own = (block.id, block.name) if isinstance(block, wire.ApplicationCredential) else ()
        return hash((*of_user, *own))
    return 0
