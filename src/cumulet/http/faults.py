"""Faults: what an operation raises to answer with an error, and how each family of services words the body.

Fault                      any status
├── BadRequest        400  the request makes no sense
├── Unauthorized      401  no caller
├── NotAllowed        403  policy or quota says no
├── NotFound          404  not there, or not yours
├── Conflict          409  not now
├── TooLarge          413
├── UnsupportedMedia  415
└── Unavailable       503  come back later
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

TITLES = {
    300: "Multiple Choices",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    409: "Conflict",
    410: "Gone",
    411: "Length Required",
    412: "Precondition Failed",
    413: "Request Entity Too Large",
    415: "Unsupported Media Type",
    416: "Requested Range Not Satisfiable",
    429: "Too Many Requests",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
}


class Fault(Exception):
    """An answer that is an error. `code` is a stable word for programs (Neutron's type, placement's code)."""

    status = 500
    code = ""

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.code
        self.status = status or self.status
        self.headers = dict(headers or {})
        self.extra = extra
        self.version: tuple[int, int] | None = None  # the microversion of the request, when there was one
        self.method = ""  # of the request


class BadRequest(Fault):
    status = 400
    code = "HTTPBadRequest"


class Unauthorized(Fault):
    status = 401
    code = "HTTPUnauthorized"


class NotAllowed(Fault):
    status = 403
    code = "PolicyNotAuthorized"


class NotFound(Fault):
    status = 404
    code = "HTTPNotFound"


class Conflict(Fault):
    status = 409
    code = "HTTPConflict"


class TooLarge(Fault):
    status = 413
    code = "HTTPRequestEntityTooLarge"


class UnsupportedMedia(Fault):
    status = 415
    code = "HTTPUnsupportedMediaType"


class Unavailable(Fault):
    status = 503
    code = "HTTPServiceUnavailable"


Rendered = tuple[bytes, str]
Renderer = Callable[[Fault, str, str], Rendered]
"""(fault, request id, Accept header) → (body, content type)."""

JSON = "application/json"


def keystone_body(fault: Fault, _request_id: str, _accept: str) -> Rendered:
    """``{"error": {"code", "message", "title"}}`` of identity, and of the token check in front of each service."""
    title = TITLES.get(fault.status, "Error")
    body = {"error": {"code": fault.status, "message": fault.message, "title": title, **fault.extra}}
    return msgspec.json.encode(body), JSON


_NOVA_NAMES = {
    400: "badRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "itemNotFound",
    405: "badMethod",
    409: "conflictingRequest",
    413: "overLimit",
    415: "badMediaType",
    429: "overLimit",
    501: "notImplemented",
    503: "serviceUnavailable",
}


def nova_body(fault: Fault, _request_id: str, _accept: str) -> Rendered:
    """``{"itemNotFound": {"code", "message"}}`` of compute and block storage."""
    name = _NOVA_NAMES.get(fault.status, "computeFault")
    return msgspec.json.encode({name: {"code": fault.status, "message": fault.message, **fault.extra}}), JSON


def neutron_body(fault: Fault, _request_id: str, _accept: str) -> Rendered:
    """``{"NeutronError": {"type", "message", "detail"}}`` of network."""
    body = {"NeutronError": {"type": fault.code, "message": fault.message, "detail": ""}}
    return msgspec.json.encode(body), JSON


def webob_body(fault: Fault, _request_id: str, accept: str) -> Rendered:
    """Image's errors: a small HTML page unless the client asks for JSON, as WebOb writes them."""
    title = TITLES.get(fault.status, "Error")
    if JSON in accept:
        body = {"message": fault.message, "code": f"{fault.status} {title}", "title": title}
        return msgspec.json.encode(body), JSON
    text = fault.message.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    page = (
        f"<html>\n <head>\n  <title>{fault.status} {title}</title>\n </head>\n <body>\n"
        f"  <h1>{fault.status} {title}</h1>\n  {text}<br /><br />\n\n </body>\n</html>"
    )
    return page.encode(), "text/html; charset=UTF-8"


def guideline_body(fault: Fault, request_id: str, _accept: str) -> Rendered:
    """The API guideline's ``{"errors": [...]}``, as placement answers."""
    error: dict[str, Any] = {
        "status": fault.status,
        "title": TITLES.get(fault.status, "Error"),
        "detail": fault.message,
        "request_id": request_id,
        **fault.extra,
    }
    if fault.code and "." in fault.code:
        error["code"] = fault.code
    return msgspec.json.encode({"errors": [error]}), JSON
