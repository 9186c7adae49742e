"""Security groups and their rules, and which groups ports are in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, select

from cumulet.auth import Rule
from cumulet.db import Transaction
from cumulet.http.faults import BadRequest, Conflict
from cumulet.services.network.check_strings import MEMBER, READER, plain_rules
from cumulet.services.network.draft import PortDraft
from cumulet.services.network.extension import Body, Extension
from cumulet.services.network.model import port_groups as model
from cumulet.services.network.model.default_groups import ensure_default
from cumulet.services.network.tables import port_groups, ports, security_group_rules, security_groups
from cumulet.services.network.wire.attributes import (
    ID,
    NAME,
    REQUIRED,
    Attribute,
    Resource,
    items,
    one_of,
    optional,
    read_only,
    uuid,
)
from cumulet.services.network.wire.security_groups import ethertype, port_number, prefix, protocol

SECURITY_GROUP = Resource(
    "security_group",
    "security_groups",
    {"id": ID, "name": NAME, "security_group_rules": read_only([dict])},
)

SECURITY_GROUP_RULE = Resource(
    "security_group_rule",
    "security_group_rules",
    {
        "id": ID,
        "security_group_id": Attribute(uuid, REQUIRED, put=False),
        "direction": Attribute(one_of("ingress", "egress"), REQUIRED, put=False),
        "ethertype": Attribute(ethertype, "IPv4", put=False),
        "protocol": Attribute(protocol, None, put=False),
        "port_range_min": Attribute(port_number, None, put=False),
        "port_range_max": Attribute(port_number, None, put=False),
        "remote_ip_prefix": Attribute(prefix, None, put=False),
        "remote_group_id": Attribute(optional(uuid), None, put=False),
    },
)


def settle(tx: Transaction, draft: PortDraft) -> None:
    """The groups that the port will have. Raises 400, 404 and 409."""
    secure = draft.after("port_security_enabled")
    asked = draft.given("security_groups")
    if asked and not secure:
        raise BadRequest(
            "Port security must be enabled and port must have an IP address in order to use security groups.",
            code="PortSecurityAndIPRequiredForSecurityGroups",
        )
    if draft.row is None:
        draft.groups = _first_groups(tx, draft, asked) if secure else []
        return
    draft.groups_before = draft.groups = model.of_ports(tx, [draft.row.id])[draft.row.id]
    if asked is not None:
        model.existing(tx, draft.caller, [id for id in asked if id not in draft.groups_before])
        draft.groups = list(dict.fromkeys(asked))
    if draft.groups and not secure:
        raise Conflict(
            "Port has security group associated. Cannot disable port security or IP address until security group "
            "is removed.",
            code="PortSecurityPortHasSecurityGroup",
        )


def _first_groups(tx: Transaction, draft: PortDraft, asked: Sequence[str] | None) -> list[str]:
    if asked is None:
        return [ensure_default(tx, draft.project_id)]
    return model.existing(tx, draft.caller, asked)


def finish(tx: Transaction, draft: PortDraft) -> None:
    """Write down the port's groups."""
    if draft.groups == draft.groups_before:
        return
    port_id = draft.columns["id"] if draft.row is None else draft.row.id
    if draft.groups_before:
        tx.delete(port_groups, port_groups.c.port_id == port_id)
    tx.insert(port_groups, [{"port_id": port_id, "group_id": group} for group in draft.groups])


def erased(tx: Transaction, port_ids: Sequence[str]) -> None:
    """Ports leave their groups."""
    tx.delete(port_groups, port_groups.c.port_id.in_(port_ids))


def show(tx: Transaction, _rows: Sequence[Any], bodies: list[Body]) -> None:
    """The groups of ports. One query."""
    found = model.of_ports(tx, [body["id"] for body in bodies])
    for body in bodies:
        body["security_groups"] = found[body["id"]]


def by_groups(values: Sequence[str]) -> ColumnElement[bool]:
    """Ports with one of these security groups."""
    return ports.c.id.in_(select(port_groups.c.port_id).where(port_groups.c.group_id.in_(values)))


EXTENSIONS = (
    Extension(
        "security-group",
        "security-group",
        "The security groups extension.",
        resources=(SECURITY_GROUP, SECURITY_GROUP_RULE),
        tables=(security_groups, security_group_rules, port_groups),
        adds={"port": {"security_groups": Attribute(items(uuid))}},
        rules=[
            *plain_rules("security_group"),
            Rule("create_security_group_rule", MEMBER),
            Rule(
                "get_security_group_rule",
                f"{READER} or (role:reader and project_id:%(ext_parent:project_id)s)",
            ),
            Rule("delete_security_group_rule", MEMBER),
        ],
        settles={"port": settle},
        finishes={"port": finish},
        erased={"port": erased},
        shows={"port": show},
    ),
    Extension(
        "port-security-groups-filtering",
        "Port filtering on security groups",
        "Filter ports by their security groups",
        filters={"port": {"security_groups": by_groups}},
    ),
)
