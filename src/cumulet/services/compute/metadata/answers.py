"""From a path to an answer, and from a question's origin to the server that it is about."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence

from cumulet.db import Transaction
from cumulet.desired.questions import MetadataQuestion
from cumulet.http import Reply
from cumulet.http.faults import BadRequest, NotAllowed, NotFound
from cumulet.services.compute.metadata import ec2_tree, openstack_tree
from cumulet.services.compute.metadata.facts import Place, gather
from cumulet.services.compute.model import servers
from cumulet.services.network import door as network

_TEXT, _JSON = "text/plain; charset=UTF-8", "application/json"


def answer(tx: Transaction, row: servers.Server, path: str, place: Place) -> Reply:
    """What stands at `path` in the server's trees. Raises 404."""
    parts = [part for part in path.split("?")[0].split("/") if part]
    facts = gather(tx, [row], place)[row.id]
    if parts and parts[0] == "openstack":
        found = openstack_tree.lookup(facts, parts[1:])
    else:
        found = ec2_tree.lookup(facts, parts)
    if found is None:
        raise NotFound("The resource could not be found.")
    return Reply(found, content_type=_JSON if path.endswith(".json") else _TEXT)


def of_question(tx: Transaction, link_id: str, question: MetadataQuestion) -> servers.Server:
    """The server whose address a node saw the request come from. Raises 404, also for a network that is not the
    node's to serve."""
    owner = network.port_by_address(tx, link_id=link_id, network_id=question.network_id, ip=question.address)
    row = None if owner is None else servers.by_id(tx, owner.device_id)
    if row is None:
        raise NotFound("The resource could not be found.")
    return row


def of_signature(tx: Transaction, headers: Mapping[str, str], secrets: Sequence[str]) -> servers.Server:
    """The server that a metadata agent vouches for with one of the shared secrets. Raises 400, 403 and 404."""
    server_id, project_id = headers.get("x-instance-id"), headers.get("x-tenant-id")
    if not server_id:
        raise BadRequest("X-Instance-ID header is missing from request.")
    if not project_id:
        raise BadRequest("X-Tenant-ID header is missing from request.")
    shown = headers.get("x-instance-id-signature", "").encode()
    expected = [hmac.new(secret.encode(), server_id.encode(), hashlib.sha256).hexdigest() for secret in secrets]
    if not any(hmac.compare_digest(each.encode(), shown) for each in expected):
        raise NotAllowed("Invalid proxy request signature.")
    row = servers.by_id(tx, server_id)
    if row is None or row.project_id != project_id:
        raise NotFound("The resource could not be found.")
    return row
