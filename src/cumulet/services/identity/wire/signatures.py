"""Shapes of ``/v3/ec2tokens`` and ``/v3/s3tokens``: a request to another service, as far as its signature covers it."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from cumulet.http.faults import BadRequest
from cumulet.http.shapes import Open

Key = Annotated[str, Meta(max_length=255)]
Value = str | int | float | bool | None


class Signed(Open):
    """`token` is what S3's gateways send: the text that was signed, in URL-safe base64."""

    access: Key | UnsetType | None = UNSET
    signature: str | UnsetType | None = UNSET
    host: str = ""
    verb: str = ""
    path: str = ""
    params: dict[str, Value] | None = None
    headers: dict[str, str] | None = None
    body_hash: str | None = None
    token: str = ""


class SignedRequest(Open, rename={"ec2_credentials": "ec2Credentials"}):
    """Clients have three names for it."""

    credentials: Signed | UnsetType | None = UNSET
    credential: Signed | UnsetType | None = UNSET
    ec2_credentials: Signed | UnsetType | None = UNSET


def signed(body: SignedRequest) -> Signed:
    """What the request says, under whichever name. Raises 400 when it says nothing."""
    for found in (body.credentials, body.credential, body.ec2_credentials):
        if isinstance(found, Signed):
            return found
    raise BadRequest("request must include a request body")
