"""Security groups and their rules. Every project has a group ``default`` that is made when it is first needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, false, or_, select, true

from cumulet.auth import Caller
from cumulet.db import Transaction
from cumulet.db.in_list import in_list
from cumulet.fleet import door as fleet
from cumulet.http.faults import BadRequest, Conflict
from cumulet.services.network import faults
from cumulet.services.network.model import propagation, tags
from cumulet.services.network.model.standard_attributes import change, fresh, standard
from cumulet.services.network.tables import port_groups, security_group_rules, security_groups
from cumulet.services.network.wire.security_groups import number

RULE_FIELDS = (
    "direction",
    "ethertype",
    "protocol",
    "port_range_min",
    "port_range_max",
    "remote_ip_prefix",
    "remote_group_id",
)


def default_group(tx: Transaction, project_id: str) -> str | None:
    """Id of the project's default group, when there is one."""
    rows = tx.rows_by_key(security_groups, project_id=project_id, is_default=True)
    return str(rows[0].id) if rows else None


def ensure_default(tx: Transaction, project_id: str) -> str:
    """Id of the project's default group, which is made when it is missing."""
    found = default_group(tx, project_id)
    if found is not None:
        return found
    row = {**fresh(tx, project_id, "Default security group"), "name": "default", "is_default": True, "stateful": True}
    tx.insert(security_groups, row)
    _starting_rules(tx, row["id"], project_id, members_talk=True)
    return str(row["id"])


def _starting_rules(tx: Transaction, group_id: str, project_id: str, *, members_talk: bool) -> None:
    """Everything may go out; with `members_talk` members of the group may come in."""
    kinds: list[tuple[str, str, str | None]] = [("egress", "IPv4", None), ("egress", "IPv6", None)]
    if members_talk:
        kinds += [("ingress", "IPv4", group_id), ("ingress", "IPv6", group_id)]
    rows = []
    for direction, ethertype, remote in kinds:
        values = {**dict.fromkeys(RULE_FIELDS), "direction": direction, "ethertype": ethertype}
        values["remote_group_id"] = remote
        rows.append({**fresh(tx, project_id), "security_group_id": group_id, **values, "meaning": meaning(values)})
    tx.insert(security_group_rules, rows)


def meaning(values: Mapping[str, Any]) -> str:
    """What a rule says, so that two rules that say the same can be told by one unique index."""
    said = {**values, "protocol": number(values["protocol"])}
    if said["remote_ip_prefix"] in ("0.0.0.0/0", "::/0"):
        said["remote_ip_prefix"] = None
    return "|".join("" if said[name] is None else str(said[name]) for name in RULE_FIELDS)


def create(tx: Transaction, project_id: str, values: Mapping[str, Any]) -> str:
    """A new group; quota has been reserved. Raises 409 for the name ``default``."""
    if values["name"] == "default":
        raise Conflict("Default security group already exists.", code="SecurityGroupDefaultAlreadyExists")
    row = {**fresh(tx, project_id, values["description"]), "name": values["name"], "is_default": False}
    tx.insert(security_groups, {**row, "stateful": values["stateful"]})
    _starting_rules(tx, row["id"], project_id, members_talk=False)
    return str(row["id"])


def update(tx: Transaction, row: Row[Any], values: Mapping[str, Any]) -> None:
    """Rename or describe a group; the default group keeps its name."""
    if row.is_default and values.get("name", "default") != "default":
        raise Conflict("Updating default security group not allowed.", code="SecurityGroupCannotUpdateDefault")
    if not row.is_default and values.get("name") == "default":
        raise Conflict("Default security group already exists.", code="SecurityGroupDefaultAlreadyExists")
    change(tx, security_groups, row.id, **values)


def delete(tx: Transaction, row: Row[Any], caller: Caller) -> None:
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


def create_rules(tx: Transaction, project_id: str, items: Sequence[Mapping[str, Any]]) -> list[str]:
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


def delete_rule(tx: Transaction, row: Row[Any]) -> None:
    """Delete a rule."""
    tx.delete(security_group_rules, security_group_rules.c.id == row.id)
    tags.forget(tx, [row.id])
    change(tx, security_groups, row.security_group_id)
    propagation.rules_changed(tx, row.security_group_id, went=row.remote_group_id)


def rule_bodies(tx: Transaction, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    """Rules as clients see them. One query."""
    tagged = tags.of(tx, [row.id for row in rows])
    return [_rule_body(row, tagged) for row in rows]


def _rule_body(row: Row[Any], tagged: Mapping[str, list[str]]) -> dict[str, Any]:
    body = {**standard(row, tagged), "security_group_id": row.security_group_id}
    body.update({name: getattr(row, name) for name in RULE_FIELDS})
    return {**body, "remote_address_group_id": None, "normalized_cidr": row.remote_ip_prefix}


def bodies(tx: Transaction, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    """Groups as clients see them, with their rules. Two queries."""
    ids = [row.id for row in rows]
    rule = security_group_rules.c
    query = select(security_group_rules).where(in_list(rule.security_group_id, ids)).order_by(rule.created_at, rule.id)
    rules = tx.rows(query)
    tagged = tags.of(tx, [*ids, *(row.id for row in rules)])
    by_group: dict[str, list[dict[str, Any]]] = {id: [] for id in ids}
    for row in rules:
        by_group[row.security_group_id].append(_rule_body(row, tagged))
    return [
        {
            **standard(row, tagged),
            "name": row.name,
            "stateful": row.stateful,
            "shared": False,
            "security_group_rules": by_group[row.id],
        }
        for row in rows
    ]


def existing(tx: Transaction, caller: Caller, ids: Sequence[str]) -> list[str]:
    """`ids` without repeats, when all are groups that the caller may use. Raises 404."""
    if not ids:
        return []
    where: ColumnElement[bool] = security_groups.c.id.in_(ids)
    if not caller.is_admin:
        where = and_(where, security_groups.c.project_id == caller.project_id)
    known = set(tx.execute(select(security_groups.c.id).where(where)).scalars())
    for id in ids:
        if id not in known:
            raise faults.not_found("security_group", id)
    return list(dict.fromkeys(ids))


def by_names(tx: Transaction, project_id: str, names: Sequence[str]) -> list[str]:
    """Ids of groups of the project that are given by name or id, as Nova takes them. Raises 400."""
    if "default" in names:
        ensure_default(tx, project_id)
    column = security_groups.c
    where = and_(column.project_id == project_id, or_(column.name.in_(names), column.id.in_(names)))
    rows = tx.rows(select(column.id, column.name).where(where))
    found = []
    for name in dict.fromkeys(names):
        ids = [row.id for row in rows if row.id == name] or [row.id for row in rows if row.name == name]
        if len(ids) > 1:
            raise Conflict(f"Multiple security_group matches found for name '{name}', use an ID to be more specific.")
        if not ids:
            raise BadRequest(f"Security group {name} not found.")
        found += ids
    return list(dict.fromkeys(found))


def visible(caller: Caller) -> ColumnElement[bool]:
    """Groups that the caller sees: their project's."""
    return true() if caller.is_admin else security_groups.c.project_id == caller.project_id


def rules_visible(caller: Caller) -> ColumnElement[bool]:
    """Rules that the caller sees: those of their project's groups."""
    if caller.is_admin:
        return true()
    own = select(security_groups.c.id).where(security_groups.c.project_id == caller.project_id)
    return security_group_rules.c.security_group_id.in_(own)


def group_of_rules(tx: Transaction, rows: Sequence[Row[Any]]) -> dict[str, dict[str, Any]]:
    """Owners of the groups that rules belong to: rule id → owner."""
    ids = {row.security_group_id for row in rows}
    query = select(security_groups.c.id, security_groups.c.project_id).where(security_groups.c.id.in_(ids))
    owners = {row.id: row.project_id for row in tx.rows(query)}
    return {row.id: {"project_id": owners[row.security_group_id]} for row in rows}


def by_sharing(values: Sequence[str]) -> ColumnElement[bool]:
    """No group is shared."""
    return true() if any(value.lower() in ("false", "0") for value in values) else false()
