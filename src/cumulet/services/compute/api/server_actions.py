"""POST /servers/{id}/action: what is done to a server; the body's only key says which."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from cumulet.http import Call, Wire
from cumulet.http.bodies import under
from cumulet.http.operation import Handler
from cumulet.services.compute.api import consoles
from cumulet.services.compute.api.server_lookup import SERVER, actor
from cumulet.services.compute.model import server_delete, server_verbs
from cumulet.services.compute.model.servers import Server
from cumulet.services.compute.service import service
from cumulet.services.compute.verbs.reboot import REBOOT
from cumulet.services.compute.verbs.reboot_hard import REBOOT_HARD
from cumulet.services.compute.verbs.start import START
from cumulet.services.compute.verbs.stop import STOP
from cumulet.services.compute.wire.consoles import CONSOLE
from cumulet.services.compute.wire.server_create import Name
from cumulet.services.network import door as network

_API = "os_compute_api"


class Reboot(Wire):
    type: Literal["HARD", "Hard", "hard", "SOFT", "Soft", "soft"]


class Group(Wire):
    name: Name


class Address(Wire):
    address: str
    fixed_address: str | None = None


def action(key: str, rule: str, **options: Any) -> Callable[[Handler], Handler]:
    """Declare an action on a server that answers 202 and is guarded by Nova's `rule`."""
    options = {"status": 202, **options}
    return service.action("/v2.1/servers/{server_id}/action", key, policy=f"{_API}:{rule}", target=SERVER, **options)


@action("os-start", "servers:start")
def start(call: Call, server: Server) -> None:
    """Power a server on."""
    server_verbs.begin(call.tx, actor(call), server, START)


@action("os-stop", "servers:stop")
def stop(call: Call, server: Server) -> None:
    """Power a server off."""
    server_verbs.begin(call.tx, actor(call), server, STOP)


@action("reboot", "servers:reboot", request=Reboot)
def reboot(call: Call, server: Server) -> None:
    """Start a server anew, softly or hard."""
    hard = call.body.arguments.type.upper() == "HARD"
    server_verbs.begin(call.tx, actor(call), server, REBOOT_HARD if hard else REBOOT)


@action("forceDelete", "os-deferred-delete:force")
def force_delete(call: Call, server: Server) -> None:
    """Delete a server, whatever its state."""
    server_delete.delete(call.tx, actor(call), server)


@action("addSecurityGroup", "os-security-groups:add", request=Group)
def add_security_group(call: Call, server: Server) -> None:
    """Put a server's ports into a security group."""
    network.add_security_group(call.tx, call.caller, server.id, call.body.arguments.name)


@action("removeSecurityGroup", "os-security-groups:remove", request=Group)
def remove_security_group(call: Call, server: Server) -> None:
    """Take a server's ports out of a security group."""
    network.remove_security_group(call.tx, call.caller, server.id, call.body.arguments.name)


@action("addFloatingIp", "os-floating-ips:add", request=Address, until=(2, 43))
def add_floating_ip(call: Call, server: Server) -> None:
    """Let a floating ip lead to a server, the way before 2.44."""
    given = call.body.arguments
    network.add_floating_ip(call.tx, call.caller, server.id, given.address, given.fixed_address)


@action("removeFloatingIp", "os-floating-ips:remove", request=Address, until=(2, 43))
def remove_floating_ip(call: Call, server: Server) -> None:
    """Take a floating ip away from a server, the way before 2.44."""
    network.remove_floating_ip(call.tx, call.caller, server.id, call.body.arguments.address)


@action(
    "os-getVNCConsole",
    "os-remote-consoles",
    request=consoles.OldConsole,
    until=(2, 5),
    status=200,
    response=under("console", CONSOLE),
)
def vnc_console(call: Call, server: Server) -> dict[str, Any]:
    """Get the address of a server's screen, the way before 2.6."""
    kind = call.body.arguments.type
    return {"console": {"type": kind, "url": consoles.url(call, server, kind)}}


@action(
    "os-getConsoleOutput",
    "os-console-output",
    request=consoles.LogLength | None,
    status=200,
    response=under("output", str),
)
async def console_output(call: Call, server: Server) -> dict[str, Any]:
    """Get the end of what a guest printed to its serial console."""
    return await consoles.log(call, server, call.body.arguments or consoles.LogLength())
