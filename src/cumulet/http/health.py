"""``/healthcheck`` of every service, as oslo.middleware answers it: 200 and OK, 204 to HEAD, 503 while switched off.

A file takes a service out of a load balancer without stopping it: ``STATE/healthcheck_disable`` for all, or
``STATE/healthcheck_disable.image`` for one. (Not under ``STATE/run``, which the controller's user cannot look into.)
It says that the API can be reached, nothing about hosts or the database, and needs no token.
"""

from __future__ import annotations

import json
from pathlib import Path

PATH = "/healthcheck"
FILE_NAME = "healthcheck_disable"
_JSON, _HTML, _PLAIN = "application/json", "text/html", "text/plain"


def reason(folder: Path | None, service: str) -> tuple[bool, str]:
    """Whether the service is to be given requests, and the reason in oslo's words."""
    if folder is not None:
        for name in (FILE_NAME, f"{FILE_NAME}.{service}"):
            if (folder / name).exists():
                return False, "DISABLED BY FILE"
    return True, "OK"


def answer(folder: Path | None, service: str, method: str, accept: str) -> tuple[int, bytes, str]:
    """Status, body and content type."""
    healthy, why = reason(folder, service)
    if method == "HEAD":
        return (204 if healthy else 503), b"", f"{_PLAIN}; charset=UTF-8"
    status = 200 if healthy else 503
    kind = _wanted(accept)
    if kind == _JSON:
        return status, json.dumps({"detailed": False, "reasons": [why]}, indent=4).encode(), _JSON
    if kind == _HTML:
        return status, _page(why).encode(), f"{_HTML}; charset=UTF-8"
    return status, why.encode(), f"{_PLAIN}; charset=UTF-8"


def _wanted(accept: str) -> str:
    """The first of plain, HTML and JSON with the highest weight; plain when none is accepted."""
    weights: dict[str, float] = {}
    for part in accept.split(","):
        kind, _, rest = part.partition(";")
        weights[kind.strip().lower()] = _weight(rest)
    best, found = 0.0, _PLAIN
    for kind in (_PLAIN, _HTML, _JSON):
        weight = weights.get(kind, weights.get(kind.split("/")[0] + "/*", weights.get("*/*", 0.0)))
        if weight > best:
            best, found = weight, kind
    return found


def _weight(parameters: str) -> float:
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


def _page(why: str) -> str:
    return (
        "<HTML>\n<HEAD><TITLE>Healthcheck Status</TITLE></HEAD>\n<BODY>\n\n<H2>Result of 1 checks:</H2>\n"
        '<TABLE bgcolor="#ffffff" border="1">\n<TBODY>\n<TR>\n\n<TH>\nReason\n</TH>\n</TR>\n'
        f"<TR>\n    <TD>{why}</TD>\n</TR>\n</TBODY>\n</TABLE>\n<HR></HR>\n\n</BODY>\n</HTML>\n"
    )
