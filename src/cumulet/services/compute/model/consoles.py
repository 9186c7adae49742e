"""Console tokens: handed out once, kept as a hash, good for one connection and a few minutes."""

from __future__ import annotations

import hashlib
import uuid

from msgspec import Struct
from sqlalchemy import and_, select

from cumulet.db import Transaction, select_as
from cumulet.db.times import SECOND
from cumulet.fleet import door as fleet
from cumulet.http.faults import Conflict
from cumulet.services.compute.model import servers
from cumulet.services.compute.tables import ConsoleTokenRow, console_tokens
from cumulet.services.compute.verbs import VERBS
from cumulet.services.compute.verbs.get_console import GET_CONSOLE


class Screen(Struct, frozen=True):
    """A guest that has a screen, with its name and its host. Where that is follows from the id: what a host says of
    itself is never opened."""

    server_id: str
    host: str
    name: str


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def screen(tx: Transaction, row: servers.Server) -> Screen | None:
    """The guest's screen, when its node reported that it has one; None when it has none now."""
    if VERBS.hindrance(GET_CONSOLE, row) or row.host is None:
        return None
    seen = fleet.observed(tx, "guest", [row.id]).get(row.id)
    shown = seen is not None and not seen.gone and seen.facts.get("screen") is True
    return Screen(row.id, row.host, row.name) if shown else None


def issue(tx: Transaction, row: servers.Server, kind: str, seconds: float) -> str:
    """A token for the server's screen. Raises 409 while there is none."""
    if screen(tx, row) is None:
        raise Conflict("Instance not yet ready")
    token = str(uuid.uuid4())
    tx.delete(console_tokens, console_tokens.c.expires_at < tx.now)
    expires_at = tx.now + int(seconds * SECOND)
    values = {"token_hash": _digest(token), "server_id": row.id, "kind": kind, "expires_at": expires_at}
    tx.insert(console_tokens, values)
    return token


def exists(tx: Transaction, token: str) -> bool:
    """Whether somebody was given this token and has not used it. Strangers who guess change no row."""
    return tx.row(select(console_tokens.c.server_id).where(console_tokens.c.token_hash == _digest(token))) is not None


def redeem(tx: Transaction, token: str) -> Screen | None:
    """The screen that a token opens, once; None for one that is unknown, used or expired."""
    where = and_(console_tokens.c.token_hash == _digest(token))
    row = tx.row(select_as(ConsoleTokenRow).where(where))
    if row is None or not tx.delete(console_tokens, where) or row.expires_at < tx.now:
        return None
    server = servers.by_id(tx, row.server_id)
    return None if server is None else screen(tx, server)
