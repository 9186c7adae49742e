"""The version document."""

from __future__ import annotations

from typing import Any

from cumulet.http import Call
from cumulet.http.bodies import Query, Record, under
from tests.extending.bells.service import bell

VERSION = Record("Version", {"id": str, "status": str, "links": [{"rel": str, "href": str}]})


@bell.get("/", auth=False, transaction="none", response=under("versions", [VERSION]), query=Query({}))
def index(call: Call) -> dict[str, Any]:
    """List the versions."""
    links = [{"rel": "self", "href": f"{call.base_url}/v1/"}]
    return {"versions": [{"id": "v1.0", "status": "CURRENT", "links": links}]}
