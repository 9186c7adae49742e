"""The metadata service (port 8775). Asked by proxies only: nodes with their credentials, or agents that sign."""

from __future__ import annotations

from collections.abc import Mapping

from cumulet.desired.questions import MetadataQuestion
from cumulet.fleet import door as fleet
from cumulet.http import Call, Reply, Service
from cumulet.http.faults import BadRequest, NotAllowed, webob_body
from cumulet.services.compute.context import ComputeContext
from cumulet.services.compute.metadata import answers
from cumulet.services.compute.metadata.facts import Place

service = Service("metadata", faults=webob_body)


def place_of(context: ComputeContext) -> Place:
    """What the cloud calls itself to guests."""
    return Place(context.availability_zone, context.dhcp_domain, context.simulated)


def load() -> Service:
    """The service with its operations."""
    return service


@service.get("/", auth=False)
def root(call: Call) -> Reply:
    """The versions of the EC2 tree."""
    return _answer(call, "")


@service.get("/{*path}", auth=False)
def show(call: Call, path: str) -> Reply:
    """What stands at a path of the asking server's trees."""
    return _answer(call, path)


def _question(method: str, path: str, headers: Mapping[str, str]) -> MetadataQuestion:
    """What a node asks by headers. A router has several networks: its id does not say whose address it is."""
    network_id = headers.get("x-neutron-network-id", "")
    if not network_id or "x-neutron-router-id" in headers:
        raise BadRequest("X-Neutron-Network-ID, and it alone, says where the request came from.")
    address = headers.get("x-forwarded-for", "").strip()
    return MetadataQuestion(method=method, path=f"/{path}", address=address, network_id=network_id)


def _answer(call: Call, path: str) -> Reply:
    headers = call.headers
    if "x-cumulet-link" in headers:
        link_id, secret = headers["x-cumulet-link"], headers.get("x-cumulet-secret", "")
        if not fleet.link_allowed(call.tx, link_id, secret):
            raise NotAllowed("These are not the credentials of a node that joined.")
        row = answers.of_question(call.tx, link_id, _question(call.method, path, headers))
    else:
        row = answers.of_signature(call.tx, headers, call.context.metadata_secrets())
    return answers.answer(call.tx, row, f"/{path}", place_of(call.context))
