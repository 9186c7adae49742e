"""Who may join: tokens that are good once, and the secret of a node that joined before.

Only hashes are kept. A name that exists is taken over by nobody: it joins again with its own secret, or with a token
that the operator made for that name. Must never say why a token or a secret is not good.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Sequence

from msgspec import Struct
from sqlalchemy import bindparam, or_, select, update

from cumulet.db import Prepared, Transaction, select_as
from cumulet.db.times import SECOND
from cumulet.desired.hosts import HostFacts
from cumulet.fleet.model import hosts
from cumulet.fleet.model.told import NAME
from cumulet.fleet.tables import JoinTokenRow, LinkRow, join_tokens, links

TOKEN_S = 3600
"""How long a token waits for its node."""

_LINK = Prepared(select_as(LinkRow).where(links.c.id == bindparam("id"), links.c.name == bindparam("name")))
_HASHES = Prepared(select(links.c.secret_hash, links.c.previous_hash).where(links.c.id == bindparam("id")))
_TOKEN = Prepared(
    select_as(JoinTokenRow).where(
        join_tokens.c.token_hash == bindparam("token_hash"), join_tokens.c.expires_at > bindparam("now")
    )
)


class Credentials(Struct, frozen=True):
    """What a node shows: the id and secret of its link, or a token, or all of them."""

    link_id: str = ""
    secret: str = ""
    token: str = ""


class Joiner(Struct, frozen=True):
    """A node that may join: as the link `link_id` that it was, or by a token. `replaces`: the token names it, and a
    node of that name gives way."""

    name: str
    link_id: str | None = None
    token_hash: str | None = None
    replaces: bool = False


def issue(tx: Transaction, name: str | None) -> tuple[str, int]:
    """A token for one node, and when it ends (µs). `name`: for the node of that name, new or not, instead of an earlier
    token for it; None: for any new one.

    Raises ValueError for what is no node's name.
    """
    if name is not None and not NAME.fullmatch(name):
        raise ValueError("a node's name has letters, digits, dots, hyphens and underscores, 255 at most")
    token = secrets.token_urlsafe(32)
    expires_at = tx.now + TOKEN_S * SECOND
    tx.delete(join_tokens, or_(join_tokens.c.expires_at <= tx.now, join_tokens.c.name == name))
    tx.insert(join_tokens, {"token_hash": hosts.digest(token), "name": name, "expires_at": expires_at})
    return token, expires_at


def known(tx: Transaction, name: str, shown: Credentials) -> Joiner | None:
    """Whether a node of `name` may join with what it shows. Two queries at most."""
    row = tx.row(_LINK, {"id": shown.link_id, "name": name}) if shown.link_id and shown.secret else None
    if row is not None and hosts.is_one_of(shown.secret, row.secret_hash, row.previous_hash):
        return Joiner(name, link_id=row.id)
    if not shown.token:
        return None
    token = tx.row(_TOKEN, {"token_hash": hosts.digest(shown.token), "now": tx.now})
    if token is None or token.name not in (None, name):
        return None
    return Joiner(name, token_hash=token.token_hash, replaces=token.name is not None)


def join(tx: Transaction, joiner: Joiner, shown: Credentials, facts: Sequence[HostFacts]) -> tuple[str, str]:
    """The node joins (again): its link id and a fresh secret. What it was told before stays told.

    The secret that it came with stays good for joining until the fresh one is used: an answer that is lost on the way
    locks nobody out. Raises hosts.RefusedError for a token that somebody else has used by now, for a name that exists,
    and for a host of another node; `told.FactsError` for facts that are none.
    """
    secret = secrets.token_urlsafe(32)
    values = {"secret_hash": hosts.digest(secret), "joined_at": tx.now, "last_seen": tx.now}
    if joiner.link_id is not None:
        link_id = joiner.link_id
        tx.update_by_key(links, {"id": link_id}, previous_hash=hosts.digest(shown.secret), **values)
    else:
        if not tx.delete(join_tokens, join_tokens.c.token_hash == joiner.token_hash):
            raise hosts.RefusedError("the token has been used")
        link_id = _by_token(tx, joiner, values)
    hosts.keep_facts(tx, link_id, facts)
    return link_id, secret


def _by_token(tx: Transaction, joiner: Joiner, values: dict[str, object]) -> str:
    exists = tx.scalar(select(links.c.id).where(links.c.name == joiner.name))
    if exists is None:
        link_id = str(uuid.uuid4())
        tx.insert(links, {"id": link_id, "name": joiner.name, "previous_hash": None, **values})
        return link_id
    if not joiner.replaces:
        raise hosts.RefusedError(
            f"a node named {joiner.name} exists: it needs its own secret, or a token made for its name"
        )
    tx.update_by_key(links, {"id": exists}, previous_hash=None, **values)
    return str(exists)


def renew(tx: Transaction, link_id: str | None = None) -> None:
    """Nodes (or one) shall have another secret: each joins again with the one it has, which is good until then."""
    wanted = update(links).values(previous_hash=links.c.secret_hash)
    tx.execute(wanted if link_id is None else wanted.where(links.c.id == link_id))


def renewing(tx: Transaction, link_id: str) -> bool:
    """Whether the node has not got the other secret yet."""
    row = tx.row(_HASHES, {"id": link_id})
    return row is not None and row.previous_hash == row.secret_hash


def every(tx: Transaction) -> Sequence[LinkRow]:
    """All nodes: `name`, `joined_at`, `last_seen` (µs), and `previous_hash`, None when the newest secret is in use."""
    return tx.rows(select_as(LinkRow).order_by(links.c.name))
