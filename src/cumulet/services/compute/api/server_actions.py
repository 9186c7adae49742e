"""POST /servers/{id}/action: one operation, many actions; the body's only key says which."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from cumulet.http import Call, Reply, Wire
from cumulet.http.faults import BadRequest, NotFound
from cumulet.http.versions import Version
from cumulet.services.compute.api import consoles
from cumulet.services.compute.api.subjects import actor, parsed, server
from cumulet.services.compute.model import server_delete, server_power, servers
from cumulet.services.compute.service import service
from cumulet.services.compute.wire.new_server import Name
from cumulet.services.network import door as network
from cumulet.store import Transaction

Action = Callable[[Call, Transaction, str, Any], Reply]


class Reboot(Wire):
    type: Literal["HARD", "Hard", "hard", "SOFT", "Soft", "soft"]


class RebootBody(Wire):
    reboot: Reboot


class Group(Wire):
    name: Name


class Address(Wire):
    address: str
    fixed_address: str | None = None


_DONE = 202


def start(call: Call, tx: Transaction, server_id: str, _arguments: Any) -> Reply:
    """Power a server on."""
    row = _unlocked(call, tx, server_id, "servers:start")
    server_power.start(tx, actor(call), row)
    return Reply(None, _DONE)


def stop(call: Call, tx: Transaction, server_id: str, _arguments: Any) -> Reply:
    """Power a server off."""
    row = _unlocked(call, tx, server_id, "servers:stop")
    server_power.stop(tx, actor(call), row)
    return Reply(None, _DONE)


def reboot(call: Call, tx: Transaction, server_id: str, arguments: Any) -> Reply:
    """Start a server anew, softly or hard."""
    hard = parsed(call, RebootBody, {"reboot": arguments}).reboot.type.upper() == "HARD"
    row = _unlocked(call, tx, server_id, "servers:reboot")
    server_power.reboot(tx, actor(call), row, hard=hard)
    return Reply(None, _DONE)


def force_delete(call: Call, tx: Transaction, server_id: str, _arguments: Any) -> Reply:
    """Delete a server, whatever its state."""
    row = _unlocked(call, tx, server_id, "os-deferred-delete:force")
    server_delete.delete(tx, actor(call), row)
    return Reply(None, _DONE)


def add_security_group(call: Call, tx: Transaction, server_id: str, arguments: Any) -> Reply:
    """Put a server's ports into a security group."""
    name = parsed(call, Group, arguments).name
    row = server(call, server_id, "os-security-groups:add", tx)
    network.add_security_group(tx, call.caller, row.id, name)
    return Reply(None, _DONE)


def remove_security_group(call: Call, tx: Transaction, server_id: str, arguments: Any) -> Reply:
    """Take a server's ports out of a security group."""
    name = parsed(call, Group, arguments).name
    row = server(call, server_id, "os-security-groups:remove", tx)
    network.remove_security_group(tx, call.caller, row.id, name)
    return Reply(None, _DONE)


def add_floating_ip(call: Call, tx: Transaction, server_id: str, arguments: Any) -> Reply:
    """Let a floating ip lead to a server, the way before 2.44."""
    given = parsed(call, Address, arguments)
    row = server(call, server_id, "os-floating-ips:add", tx)
    network.add_floating_ip(tx, call.caller, row.id, given.address, given.fixed_address)
    return Reply(None, _DONE)


def remove_floating_ip(call: Call, tx: Transaction, server_id: str, arguments: Any) -> Reply:
    """Take a floating ip away from a server, the way before 2.44."""
    given = parsed(call, Address, arguments)
    row = server(call, server_id, "os-floating-ips:remove", tx)
    network.remove_floating_ip(tx, call.caller, row.id, given.address)
    return Reply(None, _DONE)


def vnc_console(call: Call, tx: Transaction, server_id: str, arguments: Any) -> Reply:
    """Get the address of a server's screen, the way before 2.6."""
    kind = parsed(call, consoles.OldConsole, arguments).type
    where = consoles.url(call, tx, server_id, kind, "os-remote-consoles")
    return Reply({"console": {"type": kind, "url": where}}, 200)


def _unlocked(call: Call, tx: Transaction, server_id: str, rule: str) -> servers.Server:
    row = server(call, server_id, rule, tx)
    servers.require_unlocked(row, call.caller.is_admin)
    return row


_FIRST: Version = (2, 1)
_LAST: Version = (2, 9999)

ACTIONS: dict[str, tuple[Action, Version, Version]] = {
    "os-start": (start, _FIRST, _LAST),
    "os-stop": (stop, _FIRST, _LAST),
    "reboot": (reboot, _FIRST, _LAST),
    "forceDelete": (force_delete, _FIRST, _LAST),
    "addSecurityGroup": (add_security_group, _FIRST, _LAST),
    "removeSecurityGroup": (remove_security_group, _FIRST, _LAST),
    "addFloatingIp": (add_floating_ip, _FIRST, (2, 43)),
    "removeFloatingIp": (remove_floating_ip, _FIRST, (2, 43)),
    "os-getVNCConsole": (vnc_console, _FIRST, (2, 5)),
}
_CONSOLE_LOG = "os-getConsoleOutput"


service.actions["/servers/?/action"] = (*ACTIONS, _CONSOLE_LOG)


@service.post("/v2.1/servers/{server_id}/action", request=dict, policy_in_handler="os_compute_api:servers:start")
async def action(call: Call, server_id: str) -> Reply:
    """Do something to a server."""
    if len(call.body) != 1:
        raise BadRequest("Malformed request body")
    name, arguments = next(iter(call.body.items()))
    if name == _CONSOLE_LOG:
        return Reply(await consoles.log(call, server_id, parsed(call, consoles.LogLength, arguments or {})), 200)
    if name not in ACTIONS:
        raise BadRequest(f"There is no such action: {name}")
    handler, first, last = ACTIONS[name]
    if not first <= call.version <= last:
        raise NotFound("The resource could not be found.")
    reply: Reply = await call.in_thread(_run, call, handler, server_id, arguments)
    return reply


def _run(call: Call, handler: Action, server_id: str, arguments: Any) -> Reply:
    with call.transaction() as tx:
        return handler(call, tx, server_id, arguments)
