"""The operator's own door: what ``up``, ``admin`` and ``secret`` need, with no user's password.

It is on the link's port, which never leaves the machine, and opens with the operator's secret. Bodies may hold
passwords: nothing here logs one, or answers one.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from cumulet.db import iso, marks
from cumulet.db.times import SECOND
from cumulet.fleet.model import hosts, joining
from cumulet.fleet.service import Actions, service, the_operator
from cumulet.http import Call
from cumulet.http.faults import NotFound
from cumulet.http.shapes import Open

log = logging.getLogger("cumulet.fleet")

FURNISHED = "furnished/"
"""What ``up`` has put into the cloud once: marks under this."""


class SessionRequest(Open):
    """The project that is to be furnished."""

    project: Literal["admin", "demo"]


class Session(msgspec.Struct):
    """`token` opens the few requests that furnishing needs, for some minutes."""

    token: str
    project_id: str
    expires_at: str


class Furnished(Open):
    """Names of things that are there now, or that nobody wants."""

    furnished: Annotated[list[Literal["flavors", "provider-network", "demo-network", "image"]], Meta(max_length=32)]


class Password(Open):
    """A new password, as it is to be typed."""

    password: Annotated[str, Meta(min_length=1, max_length=4096)]


@service.post("/v1/sessions", auth=False, admit=the_operator, request=SessionRequest, status=201)
def open_session(call: Call) -> Session:
    """A token of the cloud's own for furnishing a project."""
    call.about = [call.body.project]
    made = _actions(call).token(call.tx, call.body.project)
    if made is None:
        raise NotFound(f"There is no project named {call.body.project} that is enabled.")
    token, project_id, ends = made
    return Session(token, project_id, iso(ends))


@service.get("/v1/furnished", auth=False, admit=the_operator, quiet=True)
def furnished(call: Call) -> dict[str, Any]:
    """What ``up`` has put into the cloud: it is not put there twice."""
    return {"furnished": sorted(name.removeprefix(FURNISHED) for name in marks.under(call.tx, FURNISHED))}


@service.post("/v1/furnished", auth=False, admit=the_operator, request=Furnished, status=204)
def keep_furnished(call: Call) -> None:
    """Say what has been put into the cloud."""
    call.about = call.body.furnished
    marks.put(call.tx, [FURNISHED + name for name in call.body.furnished])


@service.put("/v1/passwords/{secret}", auth=False, admit=the_operator, request=Password, transaction="none")
def put_password(call: Call, secret: str) -> Mapping[str, Any]:
    """Give the users of a secret a new password; admin is enabled and unlocked by it."""
    if secret not in ("admin_password", "demo_password", "alt_demo_password", "service_password"):
        raise NotFound(f"No password of users is named {secret}.")
    done = _actions(call).put_password(secret, call.body.password)
    log.warning("the operator at %s has set a new %s", call.client_address, secret)
    return done


@service.post("/v1/credential-keys", auth=False, admit=the_operator, transaction="none")
def rotate_credential_keys(call: Call) -> dict[str, Any]:
    """Seal with a new key what has to be read again: credentials, secrets of domains and of OAuth1."""
    call.about = ["credential_keys"]
    count = _actions(call).seal_anew()
    log.warning("the operator at %s has rotated the keys of credentials: %d rows", call.client_address, count)
    return {"sealed": count}


@service.get("/v1/nodes", auth=False, admit=the_operator)
def nodes(call: Call) -> dict[str, Any]:
    """Nodes that joined: since when each has its secret (s), and whether it waits for another."""
    alive = call.tx.now - hosts.DOWN_AFTER_S * SECOND
    rows = joining.every(call.tx)
    return {
        "nodes": [
            {"name": row.name, "since": row.joined_at // SECOND, "up": row.last_seen > alive}
            | {"waits": row.previous_hash is not None}
            for row in rows
        ]
    }


@service.post("/v1/nodes/renewal", auth=False, admit=the_operator, status=204)
def renew_nodes(call: Call) -> None:
    """Every node gets another secret with its next heartbeat."""
    call.about = [row.name for row in joining.every(call.tx)]
    joining.renew(call.tx)
    log.warning("the operator at %s has every node get another secret", call.client_address)


def _actions(call: Call) -> Actions:
    actions: Actions | None = call.context.actions
    if actions is None:
        raise NotFound("This controller has no users.")
    return actions
