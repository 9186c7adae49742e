"""The placement service: API on port 8778, microversions 1.0 to 1.39, the newest there is."""

from __future__ import annotations

import re

from cumulet.http import Microversions, Service
from cumulet.http.call import Call
from cumulet.http.faults import (
    JSON,
    TITLES,
    BadRequest,
    Fault,
    NotAllowed,
    Rendered,
    UnsupportedMedia,
    guideline_body,
    webob_body,
)
from cumulet.http.reading import BAD_JSON
from cumulet.services.placement.policies import RULES
from cumulet.services.placement.wire import words

MINIMUM, MAXIMUM = (1, 0), (1, 39)
UNDEFINED = "placement.undefined_code"
_EXPLANATIONS = {
    400: "The server could not comply with the request since it is either malformed or otherwise incorrect.",
    401: "This server could not verify that you are authorized to access the document you requested.",
    403: "Access was denied to this resource.",
    404: "The resource could not be found.",
    406: "The resource identified by the request is only capable of generating response entities which have "
    "content characteristics not acceptable according to the accept headers sent in the request.",
    409: "There was a conflict when trying to complete your request.",
    415: "The request media type is not supported by this server.",
}


def _faults(fault: Fault, request_id: str, accept: str) -> Rendered:
    """The guideline's body, its detail worded as WebOb words it, and always with a code."""
    message = fault.message
    if fault.status == 405:
        message = (
            f"The method {fault.method} is not allowed for this resource.\n\n The method specified is not allowed."
        )
    elif message == BAD_JSON:
        message = "Malformed JSON: the body is not JSON"
    explanation = _EXPLANATIONS.get(fault.status)
    detail = message if explanation is None else f"{explanation}\n\n {message}  "
    code = fault.code if fault.code.startswith("placement.") else UNDEFINED
    if fault.version is not None and fault.version < (1, 23):
        code = " "  # no code: clients of that time do not know it
    if accept and not _accepts_json(accept):
        return webob_body(fault, request_id, accept)
    if fault.status in TITLES:
        fault = Fault(detail, code=code, status=fault.status, headers=fault.headers, **fault.extra)
    return guideline_body(fault, request_id, accept)


def _admit(call: Call) -> None:
    """A body is JSON and says so; an answer is JSON and is wanted so; who may not call need not send what fits."""
    operation, headers = call.operation, call.headers
    kind = headers.get("content-type", "").partition(";")[0].strip()
    length = headers.get("content-length", "0")
    if not kind and length.isascii() and length.isdigit() and int(length):
        raise BadRequest("content-type header required when content-length > 0")
    if operation.request is not None and kind != JSON:
        raise UnsupportedMedia(f"The media type {kind or None} is not supported, use {JSON}")
    if operation.method == "GET" and operation.status == 200 and not _accepts_json(headers.get("accept", "")):
        raise Fault(f"Only {JSON} is provided", status=406)
    if operation.policy is not None:
        call.require(operation.policy)
    if operation.request is not None and length == "0" and "transfer-encoding" not in headers:
        raise BadRequest("Malformed JSON: there is no body")


def _accepts_json(accept: str) -> bool:
    ranges = [part.replace(" ", "").lower() for part in accept.split(",") if part.strip()]
    wanted = {part.partition(";")[0] for part in ranges if not re.search(r";q=0(\.0*)?(;|\Z)", part)}
    return not ranges or bool(wanted & {JSON, "application/*", "*/*"})


def _forbidden(rule: str) -> Fault:
    return NotAllowed(f"Policy does not allow {rule} to be performed.")


placement = Service(
    "placement",
    faults=_faults,
    microversions=Microversions(
        "placement",
        MINIMUM,
        MAXIMUM,
        header="openstack-api-version",
        malformed="Invalid microversion: invalid version string: {wanted}",
        unacceptable="Invalid microversion: Unacceptable version header: {wanted}",
    ),
    invalidity=words.body,
    forbidden=_forbidden,
    admit=_admit,
    scope_types=("project",),
    rule_prefix="placement",
)
placement.add_rules(RULES)
