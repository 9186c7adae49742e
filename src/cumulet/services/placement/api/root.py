"""Discovery: the range of microversions."""

from __future__ import annotations

from typing import Any

from cumulet.http.call import Call
from cumulet.http.versions import text
from cumulet.services.placement.service import MAXIMUM, MINIMUM
from cumulet.services.placement.service import placement as service


@service.get("/", auth=False, transaction="none")
def root(call: Call) -> dict[str, Any]:
    """The API's version and its range of microversions."""
    links = [{"rel": "self", "href": ""}]
    version = {"id": "v1.0", "max_version": text(MAXIMUM), "min_version": text(MINIMUM), "status": "CURRENT"}
    return {"versions": [{**version, "links": links}]}
