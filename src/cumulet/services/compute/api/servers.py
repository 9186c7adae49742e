"""Servers: create, list, show, update, delete."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import UNSET

from cumulet.fleet import door as fleet
from cumulet.http import Call, Reply
from cumulet.http.bodies import OneOf, under
from cumulet.http.collections import boolean, is_full
from cumulet.http.faults import JSON
from cumulet.services.compute.api import server_create as create_request
from cumulet.services.compute.api import server_filters
from cumulet.services.compute.api.server_lookup import SERVER, actor
from cumulet.services.compute.model import server_create, server_delete, server_list, servers
from cumulet.services.compute.model.servers import Server
from cumulet.services.compute.service import service
from cumulet.services.compute.wire import server_create as body_wire
from cumulet.services.compute.wire import servers as wire
from cumulet.services.compute.wire.links import listed, next_page, self_and_bookmark
from cumulet.services.network import door as network

_RULE = "os_compute_api:servers"
_PASSWORD = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"  # noqa: S105 - letters, not a password


@service.post(
    "/v2.1/servers",
    request=body_wire.NewServerBody,
    status=202,
    grows=True,
    policy=f"{_RULE}:create",
    response=OneOf(under("server", wire.CREATED_SERVER), under("reservation_id", str)),
)
def create(call: Call) -> Reply:
    """Create one server or several."""
    new: body_wire.NewServer = call.body.server
    ids, reservation_id = server_create.create(call.tx, actor(call), create_request.request(call))
    if new.return_reservation_id is True or boolean(str(new.return_reservation_id)):
        return Reply({"reservation_id": reservation_id})
    groups = [] if new.security_groups is UNSET else [g.name for g in new.security_groups if g.name is not UNSET]
    links = self_and_bookmark(call.base_url, "servers", ids[0])
    answer = {
        "id": ids[0],
        "links": links,
        "OS-DCF:diskConfig": new.disk_config,
        "security_groups": [{"name": name} for name in groups or ["default"]],
        "adminPass": new.adminPass or "".join(secrets.choice(_PASSWORD) for _ in range(12)),
    }
    return Reply({"server": answer}, headers={"Location": links[0]["href"]})


def view_of(call: Call, rows: Sequence[Server | server_list.ListedServer]) -> wire.View:
    """What the answer on these servers shows; looks up what it needs, once for all."""
    view = wire.View(call.base_url, call.version, call.context.availability_zone, call.caller.is_admin)
    view.extended = call.allows("os_compute_api:os-extended-server-attributes")
    view.extra_specs = call.version >= (2, 47) and call.allows("os_compute_api:os-flavor-extra-specs:index")
    view.host_status = call.version >= (2, 16) and call.allows(f"{_RULE}:show:host_status")
    ids = [row.id for row in rows]
    if not ids:
        return view
    view.addresses = network.addresses(call.tx, ids)
    view.groups = network.security_group_names(call.tx, ids)
    if call.version >= (2, 26):
        view.tags = servers.tags(call.tx, ids)
    if view.host_status:
        names = sorted({row.host for row in rows if row.host})
        view.hosts = {name: _host_status(host) for name, host in fleet.by_names(call.tx, names).items()}
    return view


def _host_status(host: fleet.Host) -> str:
    if not host.up:
        return "DOWN"
    return "MAINTENANCE" if host.disabled else "UP"


def one(call: Call, row: Server, *, brief: bool = False) -> dict[str, Any]:
    """The answer on one server."""
    body = wire.full(row, view_of(call, [row]), brief=brief)
    if call.version >= (2, 71) and not brief:
        body["server_groups"] = []
    return {"server": body}


def _listed(call: Call, detailed: bool) -> Reply:
    page, filters = server_filters.page(call), server_filters.filters(call, detailed)
    rows = [] if filters is None else server_list.listed(call.tx, filters, page)
    if detailed:
        view = view_of(call, rows)
        body: dict[str, Any] = {"servers": [wire.full(row, view) for row in rows]}
    else:
        body = {"servers": [wire.basic(row, call.base_url) for row in rows]}
    if is_full(rows, page.limit):
        path = "/servers/detail" if detailed else "/servers"
        body["servers_links"] = next_page(call, path, rows[-1].id, call.query)
    return Reply(msgspec.json.encode(body), content_type=JSON)


@service.get(
    "/v2.1/servers", policy=f"{_RULE}:index", response=listed("servers", wire.SHORT_SERVER), query=server_filters.QUERY
)
def index(call: Call) -> Reply:
    """List servers."""
    return _listed(call, False)


@service.get(
    "/v2.1/servers/detail",
    policy=f"{_RULE}:detail",
    response=listed("servers", wire.LISTED_SERVER),
    query=server_filters.QUERY,
)
def detail(call: Call) -> Reply:
    """List servers with details."""
    return _listed(call, True)


@service.get("/v2.1/servers/{server_id}", target=SERVER, policy=f"{_RULE}:show", response=under("server", wire.SERVER))
def show(call: Call, server: Server) -> dict[str, Any]:
    """Show a server."""
    return one(call, server)


@service.put(
    "/v2.1/servers/{server_id}",
    request=body_wire.ServerUpdateBody,
    target=SERVER,
    policy=f"{_RULE}:update",
    response=under("server", wire.CHANGED_SERVER),
)
def update(call: Call, server: Server) -> dict[str, Any]:
    """Change a server's name, description and the like."""
    new: body_wire.ServerUpdate = call.body.server
    values: dict[str, Any] = {}
    if isinstance(new.name, str):
        create_request.check_name(new.name)
        values["name"] = new.name
    if new.description is not UNSET:
        values["description"] = new.description
    if isinstance(new.hostname, str):
        values["hostname"] = create_request.hostname(call, new.hostname)
    if isinstance(new.accessIPv4, str):
        values["access_ip_v4"] = create_request.address("accessIPv4", new.accessIPv4, 4)
    if isinstance(new.accessIPv6, str):
        values["access_ip_v6"] = create_request.address("accessIPv6", new.accessIPv6, 6)
    if isinstance(new.disk_config, str):
        values["disk_config"] = new.disk_config
    servers.change(call.tx, server.id, **values)
    changed = servers.by_id(call.tx, server.id)
    assert changed is not None
    return one(call, changed, brief=call.version < (2, 75))


@service.delete("/v2.1/servers/{server_id}", target=SERVER, policy=f"{_RULE}:delete")
def delete(call: Call, server: Server) -> None:
    """Delete a server."""
    server_delete.delete(call.tx, actor(call), server)
