"""Shapes of OAuth 1.0a: consumers, and the access tokens that users have authorized for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from cumulet.db import iso
from cumulet.http import Call
from cumulet.http.bodies import Media, Record
from cumulet.http.shapes import Open
from cumulet.services.identity.tables import OAuth1AccessTokenRow, OAuth1ConsumerRow
from cumulet.services.identity.wire.application_credentials import RoleReference
from cumulet.services.identity.wire.collections import LINK, self_link

Description = Annotated[str, Meta(max_length=255)]


class Consumer(Open):
    description: Description | UnsetType | None = UNSET


class ConsumerRequest(Open):
    consumer: Consumer


class AuthorizeRequest(Open):
    roles: Sequence[RoleReference] = ()


def consumer(call: Call, row: OAuth1ConsumerRow) -> dict[str, Any]:
    """A consumer as Keystone shows it; its secret is told once, when it is made."""
    return {
        **row.extra,
        "id": row.id,
        "description": row.description,
        "links": self_link(call, f"OS-OAUTH1/consumers/{row.id}"),
    }


def access_token(call: Call, row: OAuth1AccessTokenRow) -> dict[str, Any]:
    """An access token as Keystone shows it; never its secret."""
    path = f"users/{row.authorizing_user_id}/OS-OAUTH1/access_tokens/{row.id}"
    return {
        "id": row.id,
        "consumer_id": row.consumer_id,
        "authorizing_user_id": row.authorizing_user_id,
        "project_id": row.project_id,
        "expires_at": iso(row.expires_at, micro=True),
        "links": {**self_link(call, path), "roles": self_link(call, f"{path}/roles")["self"]},
    }


CONSUMER = Record("ShownConsumer", {"id": str, "description": str | None, "links": LINK}, others=Any)
CREATED_CONSUMER = CONSUMER.but("CreatedConsumer", secret=str)
ACCESS_TOKEN = Record(
    "AccessToken",
    {
        "id": str,
        "consumer_id": str,
        "authorizing_user_id": str,
        "project_id": str,
        "expires_at": str,
        "links": {"self": str, "roles": str},
    },
)
FORM = Media("application/x-www-form-urlencoded")
