"""Security groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, or_, select, true

from cumulet.auth import Caller
from cumulet.db import Transaction, select_as
from cumulet.db.in_list import in_list
from cumulet.fleet import door as fleet
from cumulet.http.faults import Conflict
from cumulet.services.network.extension import Body
from cumulet.services.network.extensions.security_group import SECURITY_GROUP
from cumulet.services.network.model import tags
from cumulet.services.network.model.default_groups import starting_rules
from cumulet.services.network.model.nouns import Noun, bodies, written
from cumulet.services.network.model.security_group_rules import NOUN as RULES
from cumulet.services.network.model.standard_attributes import change, fresh
from cumulet.services.network.tables import (
    SecurityGroupRow,
    SecurityGroupRuleRow,
    port_groups,
    security_group_rules,
    security_groups,
)


def create(
    tx: Transaction,
    _caller: Caller,
    project_id: str,
    values: Mapping[str, Any],
    _parent: SecurityGroupRow | None = None,
) -> str:
    """A new group; quota has been reserved. Raises 409 for the name ``default``."""
    if values["name"] == "default":
        raise Conflict("Default security group already exists.", code="SecurityGroupDefaultAlreadyExists")
    row = {**fresh(tx, project_id), **written(NOUN, values), "is_default": False}
    tx.insert(security_groups, row)
    starting_rules(tx, row["id"], project_id, members_talk=False)
    return str(row["id"])


def update(tx: Transaction, _caller: Caller, row: SecurityGroupRow, values: Mapping[str, Any]) -> None:
    """Rename or describe a group; the default group keeps its name."""
    if row.is_default and values.get("name", "default") != "default":
        raise Conflict("Updating default security group not allowed.", code="SecurityGroupCannotUpdateDefault")
    if not row.is_default and values.get("name") == "default":
        raise Conflict("Default security group already exists.", code="SecurityGroupDefaultAlreadyExists")
    change(tx, security_groups, row.id, **written(NOUN, values))


def delete(tx: Transaction, caller: Caller, row: SecurityGroupRow) -> None:
    """Delete a group that no port has. Rules of others that name it go with it."""
    if row.is_default and not caller.is_admin:
        raise Conflict("Removing default security group not allowed.", code="SecurityGroupCannotRemoveDefault")
    if tx.row(select(port_groups.c.port_id).where(port_groups.c.group_id == row.id).limit(1)) is not None:
        raise Conflict(f"Security Group {row.id} in use.", code="SecurityGroupInUse")
    rule = security_group_rules.c
    naming = select(rule.security_group_id).where(rule.remote_group_id == row.id, rule.security_group_id != row.id)
    others = set(tx.execute(naming).scalars())
    doomed = select(rule.id).where(or_(rule.security_group_id == row.id, rule.remote_group_id == row.id))
    tags.forget(tx, [*tx.execute(doomed).scalars(), row.id])
    tx.delete(security_group_rules, or_(rule.security_group_id == row.id, rule.remote_group_id == row.id))
    tx.delete(security_groups, security_groups.c.id == row.id)
    for group_id in sorted(others):
        fleet.republish(tx, "security_group", group_id)
    for link_id in fleet.wanted_on(tx, "security_group", row.id):
        fleet.withdraw(tx, link_id=link_id, kind="security_group", ref=row.id)


def visible(caller: Caller) -> ColumnElement[bool]:
    """Groups that the caller sees: their project's."""
    return true() if caller.is_admin else security_groups.c.project_id == caller.project_id


def show(tx: Transaction, rows: Sequence[SecurityGroupRow], found: list[Body]) -> None:
    """The rules of groups, and the tags of both at once. Two queries."""
    rule = security_group_rules.c
    ids = [row.id for row in rows]
    query = (
        select_as(SecurityGroupRuleRow).where(in_list(rule.security_group_id, ids)).order_by(rule.created_at, rule.id)
    )
    rules = tx.rows(query)
    tagged = tags.of(tx, [*ids, *(row.id for row in rules)])
    by_group: dict[str, list[Body]] = {id: [] for id in ids}
    for body in bodies(tx, RULES, rules, {row.id: tagged.get(row.id, []) for row in rules}):
        by_group[body["security_group_id"]].append(body)
    for body in found:
        body["security_group_rules"], body["tags"] = by_group[body["id"]], tagged.get(body["id"], [])


_TAKES = {"security_group": 1, "security_group_rule": 2}
"""A group begins with two rules."""

NOUN = Noun(
    SECURITY_GROUP,
    SecurityGroupRow,
    visible,
    ("security group", "security groups"),
    show=show,
    key="group_id",
    quota=_TAKES,
)
