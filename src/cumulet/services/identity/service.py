"""The identity service: its wording of errors, its rules, its operations."""

from __future__ import annotations

from cumulet.http import Fault, Service
from cumulet.http.faults import BadRequest, NotAllowed, NotFound, keystone_body
from cumulet.http.shapes import Invalid
from cumulet.services.identity.policies import RULES
from cumulet.services.identity.policies.scopes import scoped

_SECRET = frozenset({"password", "original_password", "secret"})


def _invalidity(invalid: Invalid) -> Fault:
    """In the words of Keystone, which checks what is inside the wrapping object; never repeats a password."""
    steps = [step for step in invalid.path.split(".") if step][1:]
    problem = invalid.problem
    if steps and steps[-1] in _SECRET:
        problem = "the value does not fit the schema"
    return BadRequest(f"Invalid input for field '{'/'.join(steps)}': {problem}" if steps else problem)


def _forbidden(rule: str) -> Fault:
    return NotAllowed(f"You are not authorized to perform the requested action: {rule}.")


def _not_found() -> Fault:
    return NotFound(
        "The requested URL was not found on the server. If you entered the URL manually please check your spelling "
        "and try again."
    )


identity = Service(
    "identity",
    faults=keystone_body,
    invalidity=_invalidity,
    forbidden=_forbidden,
    not_found=_not_found,
    rule_prefix="identity",
)
identity.add_rules(scoped(RULES))
