"""The network service: Neutron's API v2.0 on port 9696. It has no microversions; extensions say what it can do."""

from __future__ import annotations

from cumulet.http import Service
from cumulet.http.faults import BadRequest, Fault, NotAllowed, NotFound, neutron_body
from cumulet.http.shapes import Invalid
from cumulet.services.network.policies import RULES


def _invalid(_invalid: Invalid) -> Fault:
    return BadRequest("Invalid request body: it is not a JSON object.", code="HTTPBadRequest")


def _forbidden(rule: str) -> Fault:
    text = rule if rule.startswith("(") else f"rule:{rule}"
    return NotAllowed(f"{text} is disallowed by policy", code="PolicyNotAuthorized")


def _no_route() -> Fault:
    return NotFound("The resource could not be found.", code="HTTPNotFound")


network = Service(
    "network",
    faults=neutron_body,
    invalidity=_invalid,
    forbidden=_forbidden,
    not_found=_no_route,
    scope_types=("project",),
)
network.add_rules(RULES)
