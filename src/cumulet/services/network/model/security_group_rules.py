"""Rules of security groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, select, true

from cumulet.auth import Caller
from cumulet.db import Transaction
from cumulet.http.faults import Conflict
from cumulet.services.network.extensions.security_group import SECURITY_GROUP_RULE
from cumulet.services.network.model import propagation, tags
from cumulet.services.network.model.default_groups import RULE_FIELDS, meaning
from cumulet.services.network.model.nouns import Noun
from cumulet.services.network.model.standard_attributes import change, fresh
from cumulet.services.network.tables import SecurityGroupRuleRow, security_group_rules, security_groups


def create_all(tx: Transaction, project_id: str, items: Sequence[Mapping[str, Any]]) -> list[str]:
    """New rules of groups that exist; quota has been reserved. Raises 409 for a rule that is there already."""
    ids, rows = [], []
    known = _known_rules(tx, items)
    for values in items:
        key = (values["security_group_id"], meaning(values))
        if key in known:
            raise _repeated(known[key])
        known[key] = None
        row = {**fresh(tx, project_id, values["description"]), "security_group_id": key[0], "meaning": key[1]}
        rows.append({**row, **{name: values[name] for name in RULE_FIELDS}})
        ids.append(str(row["id"]))
    tx.insert(security_group_rules, rows)
    for row in rows:
        change(tx, security_groups, row["security_group_id"])
        propagation.rules_changed(tx, row["security_group_id"], came=row["remote_group_id"])
    return ids


def _known_rules(tx: Transaction, items: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], str | None]:
    """Rules that say the same as some of `items`: (group, meaning) → rule id."""
    rule = security_group_rules.c
    groups = {values["security_group_id"] for values in items}
    meanings = {meaning(values) for values in items}
    where = and_(rule.security_group_id.in_(groups), rule.meaning.in_(meanings))
    rows = tx.rows(select(rule.id, rule.security_group_id, rule.meaning).where(where))
    return {(row.security_group_id, row.meaning): row.id for row in rows}


def _repeated(rule_id: str | None) -> Conflict:
    if rule_id is None:
        return Conflict("Duplicate Security Group Rule in POST.", code="DuplicateSecurityGroupRuleInPost")
    return Conflict(f"Security group rule already exists. Rule id is {rule_id}.", code="SecurityGroupRuleExists")


def delete(tx: Transaction, _caller: Caller, row: SecurityGroupRuleRow) -> None:
    """Delete a rule."""
    tx.delete(security_group_rules, security_group_rules.c.id == row.id)
    tags.forget(tx, [row.id])
    change(tx, security_groups, row.security_group_id)
    propagation.rules_changed(tx, row.security_group_id, went=row.remote_group_id)


def visible(caller: Caller) -> ColumnElement[bool]:
    """Rules that the caller sees: those of their project's groups."""
    if caller.is_admin:
        return true()
    own = select(security_groups.c.id).where(security_groups.c.project_id == caller.project_id)
    return security_group_rules.c.security_group_id.in_(own)


def parents(tx: Transaction, rows: Sequence[SecurityGroupRuleRow]) -> dict[str, dict[str, Any]]:
    """Owners of the groups that rules belong to: rule id → owner."""
    ids = {row.security_group_id for row in rows}
    query = select(security_groups.c.id, security_groups.c.project_id).where(security_groups.c.id.in_(ids))
    owners = {row.id: row.project_id for row in tx.rows(query)}
    return {row.id: {"project_id": owners[row.security_group_id]} for row in rows}


NOUN = Noun(
    SECURITY_GROUP_RULE,
    SecurityGroupRuleRow,
    visible,
    ("rule of a security group", "rules of security groups"),
    parents=parents,
    key="rule_id",
)
