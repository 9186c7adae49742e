"""Tokens for requests that somebody signed with an EC2 credential, for services that were sent them.

Only for services and administrators: who has seen a signed request, such as a presigned address, must not turn it into
a token of whoever signed it (CVE-2025-65073).
"""

from __future__ import annotations

from cumulet.http import Call, Reply
from cumulet.http.bodies import under
from cumulet.http.faults import JSON
from cumulet.http.operation import LOGIN
from cumulet.services.identity.api.tokens import attempt, reply
from cumulet.services.identity.model import ec2_login, ec2_signatures
from cumulet.services.identity.service import identity
from cumulet.services.identity.wire import signatures as wire
from cumulet.services.identity.wire.tokens import QUERY, TOKEN


@identity.post(
    "/v3/ec2tokens",
    audit=LOGIN,
    policy="identity:ec2tokens_validate",
    request=wire.SignedRequest,
    transaction="none",
    status=200,
    response=under("token", TOKEN),
    query=QUERY,
)
def ec2(call: Call) -> Reply:
    """Have a request to EC2 checked, and get a token of who signed it."""
    token, record = ec2_login.log_in(attempt(call), wire.signed(call.body), ec2_signatures.check_ec2)
    return reply(call, token, record)


@identity.post(
    "/v3/s3tokens",
    audit=LOGIN,
    policy="identity:s3tokens_validate",
    request=wire.SignedRequest,
    transaction="none",
    status=200,
    response=under("token", TOKEN),
)
def s3(call: Call) -> Reply:
    """Have a request to S3 checked, and learn who signed it; the token itself is not told, as in Keystone."""
    _, record = ec2_login.log_in(attempt(call), wire.signed(call.body), ec2_signatures.check_s3)
    return Reply(record.body(), headers={"Vary": "X-Auth-Token"}, content_type=JSON)
