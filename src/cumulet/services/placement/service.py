"""The placement service: API on port 8778, microversions 1.0 to 1.39."""

from __future__ import annotations

from cumulet.http import Microversions, Service
from cumulet.http.faults import TITLES, BadRequest, Fault, NotAllowed, Rendered, guideline_body
from cumulet.http.shapes import Invalid
from cumulet.services.placement.policies import RULES

MINIMUM, MAXIMUM = (1, 0), (1, 39)
UNDEFINED = "placement.undefined_code"
_EXPLANATIONS = {
    400: "The server could not comply with the request since it is either malformed or otherwise incorrect.",
    401: "This server could not verify that you are authorized to access the document you requested.",
    403: "Access was denied to this resource.",
    404: "The resource could not be found.",
    405: "The method specified is not allowed for this resource.",
    406: "The resource identified by the request is only capable of generating response entities which have "
    "content characteristics not acceptable according to the accept headers sent in the request.",
    409: "There was a conflict when trying to complete your request.",
    415: "The request media type is not supported by this server.",
}


def _faults(fault: Fault, request_id: str, accept: str) -> Rendered:
    """The guideline's body, its detail worded as WebOb words it, and always with a code."""
    explanation = _EXPLANATIONS.get(fault.status)
    detail = fault.message if explanation is None else f"{explanation}\n\n {fault.message}  "
    code = fault.code if fault.code.startswith("placement.") else UNDEFINED
    if fault.status in TITLES:
        fault = Fault(detail, code=code, status=fault.status, headers=fault.headers, **fault.extra)
    return guideline_body(fault, request_id, accept)


def _invalid(invalid: Invalid) -> Fault:
    where = f" at {invalid.path}" if invalid.path else ""
    return BadRequest(f"JSON does not validate: {invalid.problem}{where}")


def _forbidden(rule: str) -> Fault:
    return NotAllowed(f"Policy does not allow {rule} to be performed.")


placement = Service(
    "placement",
    faults=_faults,
    microversions=Microversions(
        "placement",
        MINIMUM,
        MAXIMUM,
        malformed="Invalid microversion: invalid version string: {wanted}",
        unacceptable="Invalid microversion: Unacceptable version header: {wanted}",
    ),
    invalidity=_invalid,
    forbidden=_forbidden,
    scope_types=("project",),
)
placement.add_rules(RULES)


def load() -> Service:
    """The service with all its operations registered."""
    from cumulet.services.placement import api  # noqa: F401

    return placement
