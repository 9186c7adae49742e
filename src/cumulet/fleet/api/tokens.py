"""``cumulet token``: what one more node joins with, made by the operator alone."""

from __future__ import annotations

import msgspec

from cumulet.db import iso
from cumulet.fleet.model import joining
from cumulet.fleet.service import service, the_operator
from cumulet.http import Call
from cumulet.http.faults import BadRequest
from cumulet.http.shapes import Open


class TokenRequest(Open):
    """`name`: the node that the token is for, and only it; a node that exists is replaced. Without: any new one."""

    name: str | None = None


class Token(msgspec.Struct):
    """`token` is shown this once."""

    token: str
    name: str | None
    expires_at: str


@service.post("/v1/tokens", auth=False, admit=the_operator, request=TokenRequest, status=201)
def create(call: Call) -> Token:
    """Make a token with which one node can join, once, within an hour."""
    asked: TokenRequest = call.body
    call.about = ["any new node" if asked.name is None else asked.name]
    try:
        token, expires_at = joining.issue(call.tx, asked.name)
    except ValueError as error:
        raise BadRequest(f"Cannot make a token: {error}.") from None
    return Token(token, asked.name, iso(expires_at))
