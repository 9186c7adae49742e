"""Rows that follow a directory: its users and groups under ids that stay, and who is in which group.

The id is a hash of domain, kind and the directory's own id, as Keystone makes it, and is kept: an entry that goes and
comes again is the same, with the roles it had. Nothing is written when nothing has changed. What the directory says was
read before: nothing here waits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from sqlalchemy import Table, bindparam, select, update

from cumulet.db import Database, Transaction, select_as
from cumulet.db.in_list import in_list
from cumulet.services.identity.model import generation
from cumulet.services.identity.model.backends import Entry
from cumulet.services.identity.tables import LDAP, IdMappingRow, folded, groups, id_mappings, memberships, users

Kind = Literal["user", "group"]
_TABLES: dict[str, Table] = {"user": users, "group": groups}
_LONGEST = {"user": 255, "group": 64}  # characters of a name


def public_id(domain_id: str, kind: Kind, local_id: str) -> str:
    """Our id of the entry: 64 hex digits."""
    return hashlib.sha256(f"{domain_id}{kind}{local_id}".encode()).hexdigest()


def local(tx: Transaction, kind: Kind, identifier: str) -> tuple[str, str] | None:
    """Domain and directory's id of what we know as `identifier`. One query, none for an id that is not of that form."""
    if len(identifier) != 64:
        return None
    rows = tx.rows_by_key(id_mappings, public_id=identifier, entity_type=kind)
    return (rows[0].domain_id, rows[0].local_id) if rows else None


def follow(db: Database, domain_id: str, kind: Kind, entries: Sequence[Entry], asked: Iterable[str] | None) -> None:
    """Rows for `entries`. `asked`: ids of which the directory was asked, of whom those without an entry are gone; None:
    it was asked for all."""
    fitting = [each for each in entries if len(each.name) <= _LONGEST[kind] and len(each.local_id) <= 255]
    wanted = {public_id(domain_id, kind, each.local_id): each for each in fitting}
    table = _TABLES[kind]
    with db.read() as tx:
        mine = select(table).where(table.c.domain_id == domain_id, table.c.origin == LDAP)
        if asked is not None:
            mine = mine.where(in_list(table.c.id, {*asked, *wanted}))
        there = {row.id: row for row in tx.rows(mine)}
    values = {identifier: _values(kind, each) for identifier, each in wanted.items()}
    new = [identifier for identifier in wanted if identifier not in there]
    changed = [i for i, row in there.items() if i in values and any(getattr(row, k) != v for k, v in values[i].items())]
    gone = [identifier for identifier in there if identifier not in wanted]
    if not (new or changed or gone):
        return
    with db.transaction() as tx:
        _insert(tx, domain_id, kind, {i: (wanted[i].local_id, values[i]) for i in new})
        if changed:
            _change(tx, table, {i: values[i] for i in changed})
        if gone:
            tx.delete(table, in_list(table.c.id, gone))
        generation.bump(tx)


def _values(kind: Kind, entry: Entry) -> dict[str, Any]:
    if kind == "user":
        return {**_called(entry.name), "enabled": entry.enabled, "extra": entry.extra}
    return {**_called(entry.name), "description": entry.extra.get("description", "")}


def _called(name: str) -> dict[str, str]:
    return {"name": name, "name_key": folded(name), "namesake": ""}


def _insert(tx: Transaction, domain_id: str, kind: Kind, new: Mapping[str, tuple[str, dict[str, Any]]]) -> None:
    table = _TABLES[kind]
    known = {row.public_id for row in tx.rows(select_as(IdMappingRow).where(in_list(id_mappings.c.public_id, new)))}
    also = {row.id for row in tx.rows(select(table.c.id).where(in_list(table.c.id, new)))}  # somebody was faster
    key = {"domain_id": domain_id, "entity_type": kind}
    tx.insert(id_mappings, [{**key, "public_id": i, "local_id": each[0]} for i, each in new.items() if i not in known])
    row: dict[str, Any] = {"domain_id": domain_id, "origin": LDAP}
    if kind == "user":  # who comes again is the same; the tokens of before are not
        row |= {"created_at": tx.now, "epoch": tx.now // 1_000_000 % 2**31}
    else:
        row |= {"extra": {}}
    tx.insert(table, [{**row, "id": i, **each[1]} for i, each in new.items() if i not in also])


def _change(tx: Transaction, table: Table, changed: Mapping[str, dict[str, Any]]) -> None:
    names = next(iter(changed.values()))
    statement = update(table).where(table.c.id == bindparam("which"))
    statement = statement.values({name: bindparam(f"to_{name}", type_=table.c[name].type) for name in names})
    tx.execute(
        statement, [{"which": i, **{f"to_{name}": v for name, v in each.items()}} for i, each in changed.items()]
    )
    disabled = [i for i, each in changed.items() if each.get("enabled") is False]
    if disabled:
        tx.update(users, in_list(users.c.id, disabled), epoch=users.c.epoch + 1)


def follow_memberships(db: Database, *, user_id: str = "", group_id: str = "", others: Iterable[str]) -> None:
    """The user is in the groups `others` of its directory, or the group holds the users `others`, and no more."""
    mine, other, key = (
        (memberships.c.user_id == user_id, "group_id", {"user_id": user_id})
        if user_id
        else (memberships.c.group_id == group_id, "user_id", {"group_id": group_id})
    )
    of_directory = select(groups.c.id).where(groups.c.origin == LDAP)
    mine = mine & memberships.c.group_id.in_(of_directory)
    wanted = set(others)
    with db.read() as tx:
        there = {row[0] for row in tx.rows(select(memberships.c[other]).where(mine))}
    if there == wanted:
        return
    with db.transaction() as tx:
        tx.delete(memberships, mine)
        tx.insert(memberships, [{**key, other: each} for each in sorted(wanted)])
        generation.bump(tx)
