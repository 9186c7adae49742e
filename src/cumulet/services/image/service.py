"""The image service: Glance's API v2 on port 9292."""

from __future__ import annotations

from cumulet.http import Service
from cumulet.http.faults import BadRequest, Fault, NotAllowed, TooLarge, webob_body
from cumulet.http.shapes import Invalid
from cumulet.services.image.policies import RULES


def _invalid(invalid: Invalid) -> Fault:
    return BadRequest(f"Provided object does not match schema 'image': {invalid.problem}")


def _forbidden(rule: str) -> Fault:
    return NotAllowed(f"You are not authorized to complete {rule} action.")


image = Service(
    "image",
    faults=webob_body,
    invalidity=_invalid,
    forbidden=_forbidden,
    scope_types=("project",),
    slash_ends=False,
    no_room=TooLarge,  # as Glance's storage that is full; clients of images wait for what is 503, and say nothing
)
image.add_rules(RULES)
