"""Ports: what is plugged into networks, by whom, with which addresses and security groups.

A port that is bound to a host carries that host's link; what the link has to know follows from each change here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, Row, and_, bindparam, or_, select, true

from cumulet.auth import Caller
from cumulet.db import Prepared, Transaction
from cumulet.db.in_list import in_bound_list
from cumulet.fleet import door as fleet
from cumulet.http.faults import BadRequest, Conflict
from cumulet.http.repeats import repeated
from cumulet.services.network import faults
from cumulet.services.network.model import addresses, dhcp, macs, propagation, routes, security_groups, tags
from cumulet.services.network.model.associations import drop_ports, router_changed
from cumulet.services.network.model.router_ports import INTERFACE
from cumulet.services.network.model.standard_attributes import change, fresh, given, seconds
from cumulet.services.network.tables import addresses as address_table
from cumulet.services.network.tables import networks, port_groups, ports

COMPUTE = "compute:"
ROUTER_OWNED = ("network:router_interface", "network:router_gateway", "network:floatingip", "network:ha_router")
RESERVED = (*ROUTER_OWNED, propagation.DHCP)
DOMAIN = "openstacklocal"


def visible(caller: Caller) -> ColumnElement[bool]:
    """Ports that the caller sees: their project's and those on networks of their project."""
    if caller.is_admin:
        return true()
    own = select(networks.c.id).where(networks.c.project_id == caller.project_id)
    return or_(ports.c.project_id == caller.project_id, ports.c.network_id.in_(own))


def find(tx: Transaction, caller: Caller, id: str) -> Row[Any]:
    """A port that the caller sees. Raises 404."""
    row = tx.row(select(ports).where(ports.c.id == id, visible(caller)))
    if row is None:
        raise faults.not_found("port", id)
    return row


_GROUPS_OF = Prepared(
    select(port_groups).where(in_bound_list(port_groups.c.port_id, "ports")).order_by(port_groups.c.group_id)
)


def groups_of(tx: Transaction, port_ids: Sequence[str]) -> dict[str, list[str]]:
    """Security groups of ports."""
    found: dict[str, list[str]] = {id: [] for id in port_ids}
    for row in tx.rows(_GROUPS_OF, {"ports": port_ids}):
        found[row.port_id].append(row.group_id)
    return found


class Binding(Struct, frozen=True):
    """Where a port is plugged; for ports that compute makes, which interface of the server they are."""

    host: str = ""
    link_id: str | None = None
    by_compute: bool = False
    tag: str | None = None
    position: int = 0


class Made(Struct, frozen=True):
    """A port that was just created."""

    id: str
    mac: str
    ips: list[str]


def binding_to(tx: Transaction, host: str) -> Binding:
    """The binding to the host of this name; without a link when there is no such host."""
    found = fleet.host_by_name(tx, host) if host else None
    return Binding(host, found.link_id if found else None)


def of_servers(name: str) -> ColumnElement[bool]:
    """The one condition for "ports of servers": those that compute plugged into them. A port that only says so (its
    device is its owner's to write) is nobody's. `name` is the parameter with the servers' ids."""
    return and_(in_bound_list(ports.c.device_id, name), ports.c.plugged)


_PLUGGED_ELSEWHERE = Prepared(
    select(ports.c.id)
    .where(
        ports.c.device_id == bindparam("device"),
        ports.c.plugged,
        ports.c.project_id != bindparam("project"),
    )
    .limit(1)
)


def check_device(tx: Transaction, row: Row[Any] | None, project_id: str, values: Mapping[str, Any]) -> None:
    """What a port belongs to is not for clients to say where we go by it: legs of routers, DHCP servers and guests
    are found by their ports' device. `row` is the port as it is, None for a new one. Raises 409.

    Without this a port could be slipped into another project's router or server.
    """
    owner = values.get("device_owner", row.device_owner if row is not None else "")
    device = values.get("device_id", row.device_id if row is not None else "")
    if row is not None and (owner, device) == (row.device_owner, row.device_id):
        return
    if row is not None and row.plugged:
        raise faults.port_in_use(row.id, row.network_id, row.device_id)
    foreign = owner in RESERVED or (row is not None and row.device_owner in RESERVED)
    if not foreign and device:
        foreign = tx.row(_PLUGGED_ELSEWHERE, {"device": device, "project": project_id}) is not None
    if foreign:
        raise Conflict(
            f"The following device_id {device} is not owned by your tenant or matches another tenants router.",
            code="DeviceIDNotOwnedByTenant",
        )


def create(
    tx: Transaction,
    caller: Caller,
    project_id: str,
    network: Row[Any],
    values: Mapping[str, Any],
    binding: Binding | None = None,
) -> Made:
    """A new port on `network`; quota has been reserved. `binding` goes before the values' host."""
    if binding is None:
        check_device(tx, None, project_id, values)
    mac = given(values, "mac_address")
    if mac is None:
        mac = macs.fresh_mac(tx, network.id)
    elif not macs.is_free(tx, network.id, mac):
        raise faults.mac_in_use(network.id, mac)
    owner = values["device_owner"]
    secure = given(values, "port_security_enabled", network.port_security_enabled) and not _trusted(owner)
    groups = _groups(tx, caller, project_id, values, secure=secure)
    if values["allowed_address_pairs"] and not secure:
        raise _pairs_need_security()
    request = addresses.Request(network.id, mac, owner)
    asked = given(values, "fixed_ips")
    found = addresses.automatic(tx, request) if asked is None else addresses.wanted(tx, request, asked)
    binding = binding or binding_to(tx, values["binding:host_id"])
    row = {**fresh(tx, project_id, values["description"]), "network_id": network.id, "mac_address": mac}
    row.update(status="DOWN", port_security_enabled=secure, host=binding.host, link_id=binding.link_id)
    row.update(_columns(values), by_compute=binding.by_compute, plugged=binding.by_compute)
    row.update(tag=binding.tag, position=binding.position, named_at=tx.now)
    row["allowed_address_pairs"] = _pairs(values["allowed_address_pairs"], mac)
    tx.insert(ports, row)
    addresses.db(tx, row["id"], network.id, found)
    tx.insert(port_groups, [{"port_id": row["id"], "group_id": group} for group in groups])
    if binding.link_id:
        propagation.plugged(tx, network.id, binding.link_id)
        propagation.groups_used(tx, binding.link_id, groups)
    elif found:
        propagation.dhcp_changed(tx, network.id)
        propagation.members_changed(tx, groups)
    return Made(row["id"], mac, [address.ip_address for address in found])


_DIRECT = ("name", "admin_state_up", "device_id", "device_owner", "extra_dhcp_opts", "dns_name", "dns_domain")
_RENAMED = {"binding:profile": "profile", "binding:vnic_type": "vnic_type"}


def _columns(values: Mapping[str, Any]) -> dict[str, Any]:
    found = {name: values[name] for name in (*_DIRECT, "description") if name in values}
    found.update({column: values[name] for name, column in _RENAMED.items() if name in values})
    if "extra_dhcp_opts" in found:
        found["extra_dhcp_opts"] = [option for option in found["extra_dhcp_opts"] if option["opt_value"] is not None]
    return found


def _pairs(pairs: Sequence[Mapping[str, str]], mac: str) -> list[dict[str, str]]:
    full = [{"ip_address": pair["ip_address"], "mac_address": pair.get("mac_address", mac)} for pair in pairs]
    place = repeated(full)
    if place is not None:
        raise BadRequest(
            f"Request contains duplicate address pair: mac_address {full[place]['mac_address']} "
            f"ip_address {full[place]['ip_address']}.",
            code="DuplicateAddressPairInRequest",
        )
    if len(full) > 10:
        raise BadRequest(
            "The number of allowed address pairs exceeds the maximum 10.", code="AllowedAddressPairExhausted"
        )
    return full


def _pairs_need_security() -> Conflict:
    return Conflict(
        "Port Security must be enabled in order to have allowed address pairs on a port.",
        code="AddressPairAndPortSecurityRequired",
    )


def _trusted(owner: str) -> bool:
    return owner.startswith("network:")


def _groups(tx: Transaction, caller: Caller, project_id: str, values: Mapping[str, Any], *, secure: bool) -> list[str]:
    asked = given(values, "security_groups")
    if not secure:
        if asked:
            raise BadRequest(
                "Port security must be enabled and port must have an IP address in order to use security groups.",
                code="PortSecurityAndIPRequiredForSecurityGroups",
            )
        return []
    if asked is None:
        return [security_groups.ensure_default(tx, project_id)]
    return security_groups.existing(tx, caller, asked)


def update(tx: Transaction, caller: Caller, row: Row[Any], values: Mapping[str, Any]) -> None:
    """Change a port."""
    check_device(tx, row, row.project_id, values)
    mac = values.get("mac_address", row.mac_address)
    if mac != row.mac_address:
        if row.plugged or (row.host and row.device_owner.startswith(COMPUTE)):
            raise Conflict(
                f"Unable to complete operation on port {row.id}, port is already bound, port type: bridge, "
                f"old_mac {row.mac_address}, new_mac {mac}.",
                code="PortBound",
            )
        if not macs.is_free(tx, row.network_id, mac):
            raise faults.mac_in_use(row.network_id, mac)
    before = groups_of(tx, [row.id])[row.id]
    groups = _groups_after(tx, caller, row, values, before)
    columns = {**_columns(values), "mac_address": mac}
    if values.get("dns_name", row.dns_name) != row.dns_name:
        columns["named_at"] = tx.now
    columns["port_security_enabled"] = values.get("port_security_enabled", row.port_security_enabled)
    if "allowed_address_pairs" in values:
        columns["allowed_address_pairs"] = _pairs(values["allowed_address_pairs"], mac)
    if columns.get("allowed_address_pairs", row.allowed_address_pairs) and not columns["port_security_enabled"]:
        raise _pairs_need_security()
    binding = Binding(row.host, row.link_id)
    if "binding:host_id" in values and values["binding:host_id"] != row.host:
        binding = binding_to(tx, values["binding:host_id"])
        columns["status"] = "DOWN"
    change(tx, ports, row.id, **columns, host=binding.host, link_id=binding.link_id)
    moved = _readdress(tx, row, mac, values)
    if moved and row.device_owner == INTERFACE:
        routes.check_moved(tx, row.device_id)
    if groups != before:
        tx.delete(port_groups, port_groups.c.port_id == row.id)
        tx.insert(port_groups, [{"port_id": row.id, "group_id": group} for group in groups])
    _tell(tx, row, binding, (before, groups), moved=moved or groups != before)


def _groups_after(
    tx: Transaction, caller: Caller, row: Row[Any], values: Mapping[str, Any], before: list[str]
) -> list[str]:
    """The security groups that the port has after the update."""
    groups = before
    if "security_groups" in values:
        kept = [id for id in values["security_groups"] if id in before]
        security_groups.existing(tx, caller, [id for id in values["security_groups"] if id not in kept])
        groups = list(dict.fromkeys(values["security_groups"]))
    secure = values.get("port_security_enabled", row.port_security_enabled)
    if groups and not secure:
        if "security_groups" in values:
            raise BadRequest(
                "Port security must be enabled and port must have an IP address in order to use security groups.",
                code="PortSecurityAndIPRequiredForSecurityGroups",
            )
        raise Conflict(
            "Port has security group associated. Cannot disable port security or IP address until security group "
            "is removed.",
            code="PortSecurityPortHasSecurityGroup",
        )
    return groups


def _readdress(tx: Transaction, row: Row[Any], mac: str, values: Mapping[str, Any]) -> bool:
    """Give the port the `fixed_ips` of the update; whether its addresses changed."""
    if "fixed_ips" not in values:
        return False
    before = addresses.of_ports(tx, [row.id])[row.id]
    request = addresses.Request(row.network_id, mac, row.device_owner, row.id)
    after = addresses.wanted(tx, request, values["fixed_ips"])
    if [(a.subnet_id, a.number) for a in before] == [(a.subnet_id, a.number) for a in after]:
        return False
    gone = {a.ip_address for a in before} - {a.ip_address for a in after}
    if gone:
        drop_ports(tx, [row.id], gone)
    addresses.release(tx, [row.id])
    addresses.db(tx, row.id, row.network_id, after)
    return True


Groups = tuple[list[str], list[str]]


def _tell(tx: Transaction, row: Row[Any], binding: Binding, groups: Groups, *, moved: bool) -> None:
    """Links learn that the port `row` (as it was) changed; `groups` are those before and after."""
    before, after = groups
    if row.link_id and binding.link_id != row.link_id:
        propagation.unplugged(tx, row.network_id, row.link_id)
        propagation.groups_left(tx, row.link_id, before)
    if binding.link_id:
        propagation.plugged(tx, row.network_id, binding.link_id)
        if moved or binding.link_id != row.link_id:
            propagation.groups_used(tx, binding.link_id, after)
        if binding.link_id == row.link_id and (left := set(before) - set(after)):
            propagation.groups_left(tx, row.link_id, left)
    else:
        propagation.dhcp_changed(tx, row.network_id)
        if moved:
            propagation.members_changed(tx, {*before, *after})
    if row.plugged:
        fleet.republish(tx, "guest", row.device_id)
    elif row.device_owner in ROUTER_OWNED:
        router_changed(tx, [row.device_id])


def delete(tx: Transaction, row: Row[Any]) -> None:
    """Delete a port through the API. Raises 409 for ports that belong to a router or a floating ip."""
    if row.device_owner in ROUTER_OWNED:
        raise faults.service_port_in_use(row.id, f"has device owner {row.device_owner}")
    erase(tx, [row])
    if row.device_owner == propagation.DHCP:
        network = tx.row(select(networks).where(networks.c.id == row.network_id))
        if network is not None:
            dhcp.serve(tx, network)


def erase(tx: Transaction, rows: Sequence[Row[Any]]) -> None:
    """Take ports out of the world, whatever they are: addresses, groups, floating ips' ends, desired state."""
    ids = [row.id for row in rows]
    if not ids:
        return
    groups = groups_of(tx, ids)
    drop_ports(tx, ids)
    addresses.release(tx, ids)
    tx.delete(port_groups, port_groups.c.port_id.in_(ids))
    tags.forget(tx, ids)
    tx.delete(ports, ports.c.id.in_(ids))
    for row in rows:
        if row.link_id:
            propagation.unplugged(tx, row.network_id, row.link_id)
            propagation.groups_left(tx, row.link_id, groups[row.id])
        else:
            propagation.dhcp_changed(tx, row.network_id)
            propagation.members_changed(tx, groups[row.id])
        if row.plugged:
            fleet.republish(tx, "guest", row.device_id)


def bodies(tx: Transaction, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    """Ports as clients see them. Three queries.

    Lists of ports are long: the columns of a row are taken all at once, which is much cheaper than one by one.
    """
    ids = [row.id for row in rows]
    fixed, groups, tagged = addresses.of_ports(tx, ids), groups_of(tx, ids), tags.of(tx, ids)
    found = []
    for row in rows:
        record = dict(zip(_COLUMNS, row, strict=True))
        id = record["id"]
        found.append(_body(record, fixed[id], groups[id], tagged.get(id) or []))
    return found


_COLUMNS = tuple(column.name for column in ports.c)
_SUBNET = address_table.c.keys().index("subnet_id")
_IP = address_table.c.keys().index("ip_address")


def _body(record: Mapping[str, Any], fixed: Sequence[Row[Any]], groups: list[str], tagged: list[str]) -> dict[str, Any]:
    ips = [(address[_SUBNET], address[_IP]) for address in fixed]
    link_id = record["link_id"]
    return {
        "id": record["id"],
        "tenant_id": record["project_id"],
        "project_id": record["project_id"],
        "description": record["description"],
        "created_at": seconds(record["created_at"]),
        "updated_at": seconds(record["updated_at"]),
        "revision_number": record["revision_number"],
        "tags": tagged,
        "name": record["name"],
        "network_id": record["network_id"],
        "mac_address": record["mac_address"],
        "admin_state_up": record["admin_state_up"],
        "status": record["status"],
        "device_id": record["device_id"],
        "device_owner": record["device_owner"],
        "fixed_ips": [{"subnet_id": subnet_id, "ip_address": ip} for subnet_id, ip in ips],
        "security_groups": groups,
        "port_security_enabled": record["port_security_enabled"],
        "allowed_address_pairs": record["allowed_address_pairs"],
        "extra_dhcp_opts": record["extra_dhcp_opts"],
        "dns_name": record["dns_name"],
        "dns_domain": record["dns_domain"],
        "dns_assignment": [_assignment(record["dns_name"], ip) for _, ip in ips],
        "binding:vnic_type": record["vnic_type"],
        "binding:host_id": record["host"],
        "binding:profile": record["profile"],
        "binding:vif_type": _vif_type(link_id, record["host"], record["device_owner"]),
        "binding:vif_details": {"port_filter": True, "connectivity": "l2"} if link_id else {},
    }


def _vif_type(link_id: str | None, host: str, owner: str) -> str:
    if link_id:
        return "bridge"
    return "binding_failed" if host and owner != propagation.DHCP else "unbound"


def host_name(dns_name: str, ip: str) -> str:
    """The name that the DHCP server knows a port by."""
    return dns_name or "host-" + ip.replace(".", "-").replace(":", "-")


def _assignment(dns_name: str, ip: str) -> dict[str, str]:
    name = host_name(dns_name, ip)
    return {"hostname": name, "ip_address": ip, "fqdn": f"{name}.{DOMAIN}."}
