"""The group ``default`` of each project, made when it is first needed, and the rules that groups begin with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cumulet.db import Transaction
from cumulet.services.network.model.standard_attributes import fresh
from cumulet.services.network.tables import security_group_rules, security_groups
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
    starting_rules(tx, row["id"], project_id, members_talk=True)
    return str(row["id"])


def starting_rules(tx: Transaction, group_id: str, project_id: str, *, members_talk: bool) -> None:
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
