"""OAuth1: consumers, their tokens and the nonces that they have used."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, Column, String, Table, Text

from cumulet.db import TypedRow, metadata

oauth1_consumers = Table(
    "identity_oauth1_consumers",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("description", String(255)),
    Column("sealed", Text, nullable=False),
    Column("key_hash", String(64), nullable=False),
    Column("extra", JSON, nullable=False, default=dict),
)


class OAuth1ConsumerRow(TypedRow, table=oauth1_consumers):
    """An OAuth1 consumer."""

    id: str
    description: str | None
    sealed: str
    key_hash: str
    extra: dict[str, Any]


oauth1_request_tokens = Table(
    "identity_oauth1_request_tokens",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("consumer_id", String(64), nullable=False, index=True),
    Column("requested_project_id", String(64), nullable=False),
    Column("sealed", Text, nullable=False),
    Column("key_hash", String(64), nullable=False),
    Column("verifier", String(64)),
    Column("authorizing_user_id", String(64)),
    Column("role_ids", JSON, nullable=False, default=list),
    Column("expires_at", BigInteger, nullable=False, index=True),
)


class OAuth1RequestTokenRow(TypedRow, table=oauth1_request_tokens):
    """An OAuth1 request token."""

    id: str
    consumer_id: str
    requested_project_id: str
    sealed: str
    key_hash: str
    verifier: str | None
    authorizing_user_id: str | None
    role_ids: list[Any]
    expires_at: int


oauth1_access_tokens = Table(
    "identity_oauth1_access_tokens",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("consumer_id", String(64), nullable=False, index=True),
    Column("authorizing_user_id", String(64), nullable=False, index=True),
    Column("project_id", String(64), nullable=False, index=True),
    Column("sealed", Text, nullable=False),
    Column("key_hash", String(64), nullable=False),
    Column("role_ids", JSON, nullable=False, default=list),
    Column("expires_at", BigInteger, nullable=False, index=True),
)


class OAuth1AccessTokenRow(TypedRow, table=oauth1_access_tokens):
    """An OAuth1 access token."""

    id: str
    consumer_id: str
    authorizing_user_id: str
    project_id: str
    sealed: str
    key_hash: str
    role_ids: list[Any]
    expires_at: int


oauth1_nonces = Table(
    "identity_oauth1_nonces",
    metadata,
    Column("id", String(64), primary_key=True),  # a hash of the consumer, the token, the time and the nonce
    Column("forget_at", BigInteger, nullable=False, index=True),
)
