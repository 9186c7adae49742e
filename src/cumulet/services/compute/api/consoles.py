"""Consoles: what a guest printed, and tokens for its screen."""

from __future__ import annotations

import base64
from typing import Annotated, Any, Literal
from urllib.parse import quote, urlsplit

from msgspec import Meta

from cumulet.desired import texts
from cumulet.fleet import door as fleet
from cumulet.http import Call, Wire
from cumulet.http.bodies import under
from cumulet.http.faults import BadRequest, Conflict, NotFound
from cumulet.services.compute.api.server_lookup import SERVER
from cumulet.services.compute.model import consoles
from cumulet.services.compute.model.servers import Server
from cumulet.services.compute.service import service
from cumulet.services.compute.wire.consoles import REMOTE_CONSOLE

Protocol = Literal["vnc", "spice", "serial", "mks", "rdp"]
_MOST_LINES = 10**11
Kind = Literal["novnc", "xvpvnc", "spice-html5", "spice-direct", "serial", "webmks", "rdp-html5"]


class RemoteConsole(Wire):
    protocol: Protocol
    type: Kind


class RemoteConsoleBody(Wire):
    remote_console: RemoteConsole


class OldConsole(Wire):
    type: str


class LogLength(Wire):
    length: Annotated[int, Meta(ge=-1)] | str | None = None


def url(call: Call, server: Server, kind: str) -> str:
    """A fresh address of the server's screen. Raises 400 for a kind that there is not, 409 before it is ready."""
    if kind != "novnc":
        raise BadRequest(f"Unavailable console type {kind}.")
    token = consoles.issue(call.tx, server, kind, call.context.console_token_s)
    base = call.context.console_base_url
    below = urlsplit(base).path.removeprefix("/")  # of the site: where noVNC opens its socket
    path = quote(f"{below}/?token={token}" if below else f"?token={token}", safe="")
    return f"{base}/vnc_auto.html?autoconnect=true&path={path}"


@service.post(
    "/v2.1/servers/{server_id}/remote-consoles",
    request=RemoteConsoleBody,
    since=(2, 6),
    target=SERVER,
    policy="os_compute_api:os-remote-consoles",
    response=under("remote_console", REMOTE_CONSOLE),
)
def create(call: Call, server: Server) -> dict[str, Any]:
    """Get the address of a server's screen."""
    asked: RemoteConsole = call.body.remote_console
    where = url(call, server, asked.type)
    return {"remote_console": {"protocol": asked.protocol, "type": asked.type, "url": where}}


async def log(call: Call, server: Server, wanted: LogLength) -> dict[str, Any]:
    """The end of what the guest printed to its serial console: `length` lines, or all."""
    length = _length(wanted.length)
    seconds = call.context.deadlines.console_log_s
    job = await call.in_thread(_ask, call, server, length, seconds)
    result = await fleet.wait_job(call.db, job, seconds)
    if result.state == "waiting":
        raise Conflict("Instance not yet ready")
    if result.state == "failed":
        raise NotFound("Guest does not have a console available")
    try:
        output = base64.b64decode(result.result, validate=True).decode(errors="replace")
    except ValueError:
        raise NotFound("Guest does not have a console available") from None
    return {"output": "" if length == 0 else output}


def _length(value: int | str | None) -> int | None:
    if isinstance(value, str):
        try:
            value = texts.whole(value, -1, _MOST_LINES)
        except ValueError:
            problem = f"Value: {value}. {value!r} is not a length"
            raise BadRequest(f"Invalid input for field/attribute length. {problem}") from None
    return None if value is None or value == -1 else value


def _ask(call: Call, server: Server, length: int | None, seconds: float) -> str:
    with call.transaction() as tx:
        if server.host is None or server.link_id is None or not fleet.host_up(tx, server.host):
            raise Conflict("Instance not yet ready")
        args = {"guest": server.id, "length": length}
        return fleet.ask(
            tx, link_id=server.link_id, host=server.host, kind="console_log", args=args, deadline_s=seconds
        )
