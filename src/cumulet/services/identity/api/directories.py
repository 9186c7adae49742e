"""Operations on users and groups of domains that have a directory: ask it before the rows are read; never change it.

The directory is asked only for who may see the answer, and outside of every transaction.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from cumulet.http import Call
from cumulet.services.identity.api.targets import Listing, Of, narrowed, target
from cumulet.services.identity.context import IdentityContext
from cumulet.services.identity.model import lookups
from cumulet.services.identity.model.backends import mirror
from cumulet.services.identity.model.backends.directories import read_only
from cumulet.services.identity.model.backends.mirror import Kind
from cumulet.services.identity.tables import LDAP, GroupRow, UserRow


def _refresh_list(kind: Kind, call: Call) -> None:
    """Ask the directory of the domain that a list is of for its users or groups, when the caller may list them."""
    rule = call.operation.policy
    assert rule is not None
    asked: list[str] = call.query.get("domain_id", [])
    domain_id = narrowed(call) or (asked[-1] if asked else "")
    if domain_id and call.allows(rule, {"target.domain_id": domain_id, f"target.{kind}.domain_id": domain_id}):
        _ask(call, domain_id, kind, None)


FRESH_USERS = Listing(fresh=partial(_refresh_list, "user"))
FRESH_GROUPS = Listing("target.group.domain_id", partial(_refresh_list, "group"))


def refresh(call: Call, kind: Kind) -> None:
    """Ask the directory for the user or group of the path, when the caller passes the rule on what is known of it."""
    rule = call.operation.policy
    assert rule is not None
    identifier = call.params[f"{kind}_id"]
    with call.db.read() as tx:
        known = mirror.local(tx, kind, identifier)
        if known is None or not call.allows(
            rule, {**call.params, **target(kind, lookups.find(tx, lookups.KINDS[kind], identifier))}
        ):
            return
    _ask(call, known[0], kind, known[1])


FRESH_USER, FRESH_GROUP = Of(UserRow, fresh=refresh), Of(GroupRow, fresh=refresh)


def _ask(call: Call, domain_id: str, kind: Kind, local_id: str | None) -> None:
    context: IdentityContext = call.context
    with call.db.read() as tx:
        source = context.directories.of(tx, domain_id)
    if source is not None and local_id is None:
        source.refresh_all(call.db, domain_id, kind)
    elif source is not None and local_id is not None:
        source.refresh(call.db, domain_id, kind, local_id)


def check_new(call: Call, tx: Any, domain_id: str) -> None:
    """Raise 403 when the domain's users and groups are a directory's."""
    context: IdentityContext = call.context
    if context.directories.of(tx, domain_id) is not None:
        raise read_only()


def check_ours(*rows: UserRow | GroupRow | None) -> None:
    """Raise 403 when one of the users or groups is a directory's."""
    if any(row is not None and row.origin == LDAP for row in rows):
        raise read_only()
