"""On which links a network or a security group is wanted, and telling them when it changes.

A network is wanted on a link while a port of it is bound there: a guest's, the DHCP server's or a router's leg. A
security group is wanted where a bound port has it, or has a group with a rule that names it as remote.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sqlalchemy import bindparam, exists, or_, select

from cumulet.db import Prepared, Transaction
from cumulet.db.in_list import in_bound_list
from cumulet.fleet import door as fleet
from cumulet.services.network.tables import port_groups, ports, security_group_rules, security_groups

DHCP = "network:dhcp"

_rule = security_group_rules.c
_REMOTES = Prepared(
    select(_rule.security_group_id, _rule.remote_group_id)
    .where(
        _rule.remote_group_id.is_not(None),
        or_(in_bound_list(_rule.security_group_id, "groups"), in_bound_list(_rule.remote_group_id, "groups")),
    )
    .distinct()
)
_DHCP_LINKS = Prepared(
    select(ports.c.link_id)
    .where(ports.c.network_id == bindparam("network"), ports.c.device_owner == DHCP, ports.c.link_id.is_not(None))
    .distinct()
)
_BOUND_PORT = Prepared(
    select(ports.c.id).where(ports.c.network_id == bindparam("network"), ports.c.link_id == bindparam("link")).limit(1)
)
_bound = select(port_groups.c.group_id).join(ports, ports.c.id == port_groups.c.port_id)
_bound = _bound.where(ports.c.link_id == bindparam("link"))
_USED = Prepared(
    select(security_groups.c.id).where(
        in_bound_list(security_groups.c.id, "groups"),
        exists()
        .where(port_groups.c.group_id == security_groups.c.id)
        .where(ports.c.id == port_groups.c.port_id, ports.c.link_id == bindparam("link")),
    )
)
_NAMED = Prepared(
    select(_rule.remote_group_id)
    .where(in_bound_list(_rule.remote_group_id, "groups"), _rule.security_group_id.in_(_bound))
    .distinct()
)


def dhcp_changed(tx: Transaction, network_id: str) -> None:
    """The hosts that the network's DHCP server answers changed: only its link has to know."""
    for row in tx.rows(_DHCP_LINKS, {"network": network_id}):
        fleet.publish(tx, link_id=row.link_id, kind="network", ref=network_id)


def network_changed(tx: Transaction, network_id: str) -> None:
    """Something of the network changed that every link with it has to know: subnets, MTU, peers."""
    fleet.republish(tx, "network", network_id)


def plugged(tx: Transaction, network_id: str, link_id: str) -> None:
    """A port of the network is bound to the link now."""
    links = fleet.wanted_on(tx, "network", network_id)
    if link_id in links:
        dhcp_changed(tx, network_id)
        return
    if links:
        network_changed(tx, network_id)
    fleet.publish(tx, link_id=link_id, kind="network", ref=network_id)


def unplugged(tx: Transaction, network_id: str, link_id: str) -> None:
    """A port of the network was taken from the link; its row says so already."""
    if tx.row(_BOUND_PORT, {"network": network_id, "link": link_id}) is not None:
        dhcp_changed(tx, network_id)
        return
    fleet.withdraw(tx, link_id=link_id, kind="network", ref=network_id)
    network_changed(tx, network_id)


def _remotes(tx: Transaction, group_ids: Collection[str]) -> tuple[set[str], set[str]]:
    """(groups that rules of `group_ids` name as remote, those of `group_ids` that some rule names as remote)."""
    named, watched = set(), set()
    for row in tx.rows(_REMOTES, {"groups": list(group_ids)}):
        if row.security_group_id in group_ids:
            named.add(row.remote_group_id)
        if row.remote_group_id in group_ids:
            watched.add(row.remote_group_id)
    return named, watched


def members_changed(tx: Transaction, group_ids: Iterable[str]) -> None:
    """Addresses of ports in the groups came or went: links learn it of those groups that a rule names as remote."""
    groups = set(group_ids)
    if groups:
        for group_id in sorted(_remotes(tx, groups)[1]):
            fleet.republish(tx, "security_group", group_id)


def groups_used(tx: Transaction, link_id: str, group_ids: Iterable[str]) -> None:
    """A port that is bound to the link has these groups now."""
    groups = set(group_ids)
    if not groups:
        return
    named, watched = _remotes(tx, groups)
    for group_id in sorted(groups | named):
        fleet.publish(tx, link_id=link_id, kind="security_group", ref=group_id)
    for group_id in sorted(watched):
        fleet.republish(tx, "security_group", group_id)


def groups_left(tx: Transaction, link_id: str, group_ids: Iterable[str]) -> None:
    """A port that was bound to the link has these groups no longer; its rows say so already."""
    groups = set(group_ids)
    if not groups:
        return
    named, watched = _remotes(tx, groups)
    for group_id in sorted(watched):
        fleet.republish(tx, "security_group", group_id)
    prune(tx, link_id, groups | named)


def prune(tx: Transaction, link_id: str, group_ids: Collection[str]) -> None:
    """Remove those of the groups from the link that nothing there needs."""
    about = {"groups": list(group_ids), "link": link_id}
    needed = {row[0] for row in tx.rows(_USED, about)} | {row[0] for row in tx.rows(_NAMED, about)}
    for group_id in sorted(set(group_ids) - needed):
        fleet.withdraw(tx, link_id=link_id, kind="security_group", ref=group_id)


def rules_changed(tx: Transaction, group_id: str, *, came: str | None = None, went: str | None = None) -> None:
    """A rule of the group changed; `came` and `went` are groups that it names as remote, or named."""
    if came or went:
        for link_id in fleet.wanted_on(tx, "security_group", group_id):
            if came:
                fleet.publish(tx, link_id=link_id, kind="security_group", ref=came)
            if went:
                prune(tx, link_id, {went})
    fleet.republish(tx, "security_group", group_id)
