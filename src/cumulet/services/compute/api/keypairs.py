"""Key pairs: each belongs to a user, not to a project."""

from __future__ import annotations

import re
from typing import Any

from msgspec import UNSET

from cumulet.http import Call, Found, Reply
from cumulet.http.bodies import EMPTY, under
from cumulet.http.collections import is_full
from cumulet.http.faults import BadRequest
from cumulet.http.shapes import Invalid
from cumulet.services.compute.api import queries
from cumulet.services.compute.model import keypairs, quotas
from cumulet.services.compute.service import service
from cumulet.services.compute.wire import keypairs as wire
from cumulet.services.compute.wire.links import listed, next_page

_RULE = "os_compute_api:os-keypairs"
_PLAIN_NAME = re.compile(r"[A-Za-z0-9 _-]+")
_NAME = re.compile(r"[A-Za-z0-9 _@.-]+")


def _asked(call: Call) -> str:
    asked = queries.one(call, "user_id") if call.version >= (2, 10) else None
    return asked or call.caller.user_id


def _given(call: Call) -> str:
    new: wire.NewKeypair = call.body.keypair
    return call.caller.user_id if new.user_id is UNSET else str(new.user_id)


def _facts(user_id: str) -> dict[str, str]:
    return {"user_id": user_id}


OWNER = Found((), _asked, _facts)
"""The user whose keys they are: the caller, or from 2.10 on who is asked for."""
NEW_OWNER = Found((), _given, _facts)


@service.get(
    "/v2.1/os-keypairs",
    target=OWNER,
    policy=f"{_RULE}:index",
    response=listed("keypairs", {"keypair": wire.SHORT_KEYPAIR}),
    query=wire.QUERY,
)
def index(call: Call, user_id: str) -> dict[str, Any]:
    """List key pairs."""
    paging = call.version >= (2, 35)
    limit = queries.limit_of(call) if paging else None
    rows = keypairs.listed(call.tx, user_id, limit, queries.one(call, "marker") if paging else None)
    body: dict[str, Any] = {"keypairs": [wire.short(row, call.version) for row in rows]}
    if paging and is_full(rows, limit):
        body["keypairs_links"] = next_page(call, "/os-keypairs", rows[-1].name, call.query)
    return body


@service.get(
    "/v2.1/os-keypairs/{name}",
    target=OWNER,
    policy=f"{_RULE}:show",
    response=under("keypair", wire.KEYPAIR),
    query=wire.OF_USER,
)
def show(call: Call, user_id: str, name: str) -> dict[str, Any]:
    """Show a key pair."""
    return wire.full(keypairs.get(call.tx, user_id, name), call.version)


@service.post(
    "/v2.1/os-keypairs",
    target=NEW_OWNER,
    policy=f"{_RULE}:create",
    request=wire.NewKeypairBody,
    transaction="none",
    response=under("keypair", wire.CREATED_KEYPAIR),
)
def create(call: Call, user_id: str) -> Reply:
    """Import a public key, or make a key pair (before 2.92)."""
    new: wire.NewKeypair = call.body.keypair
    name = _checked_name(call, new.name)
    kind = "ssh" if new.type is UNSET else str(new.type)
    if new.public_key is UNSET and call.version >= (2, 92):
        raise service.invalidity(Invalid("keypair", {"name": name}, "'public_key' is a required property"))
    from cumulet.services.compute.model import key_material  # here: see there

    if new.public_key is UNSET:
        made = key_material.generated(kind, user_id)
    else:
        made = key_material.imported(kind, str(new.public_key))
    with call.transaction() as tx:
        row = keypairs.create(tx, user_id, name, made, quotas.limits(tx, call.caller.project_id or "")["key_pairs"])
    return Reply(wire.created(row, call.version, made.private_key), 201 if call.version >= (2, 2) else 200)


def _checked_name(call: Call, name: str) -> str:
    if call.version >= (2, 92):
        if not _NAME.fullmatch(name) or name != name.strip():
            raise service.invalidity(Invalid("keypair.name", name, f"'{name}' does not match '^{_NAME.pattern}$'"))
        return name
    if not _PLAIN_NAME.fullmatch(name):
        raise BadRequest("Keypair data is invalid: Keypair name contains unsafe characters")
    if name != name.strip():
        problem = (
            "An invalid 'name' value was provided. The name must be: printable characters. "
            "Can not start or end with whitespace."
        )
        raise service.invalidity(Invalid("keypair.name", name, problem))
    return name


@service.delete("/v2.1/os-keypairs/{name}", target=OWNER, policy=f"{_RULE}:delete", response=EMPTY, query=wire.OF_USER)
def delete(call: Call, user_id: str, name: str) -> Reply:
    """Delete a key pair."""
    keypairs.delete(call.tx, user_id, name)
    return Reply(None, 204 if call.version >= (2, 2) else 202)
