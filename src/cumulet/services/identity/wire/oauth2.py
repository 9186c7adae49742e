"""Shapes of OAuth 2.0."""

from __future__ import annotations

from cumulet.http.bodies import Record

BEARER_TOKEN = Record("BearerToken", {"access_token": str, "token_type": str, "expires_in": int})
