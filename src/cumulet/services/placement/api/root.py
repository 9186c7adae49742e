"""Discovery: the range of microversions."""

from __future__ import annotations

from cumulet.http.bodies import Query, under
from cumulet.http.call import Call, Reply
from cumulet.http.versions import text
from cumulet.services.placement.service import MAXIMUM, MINIMUM
from cumulet.services.placement.service import placement as service
from cumulet.services.placement.wire.freshness import dated
from cumulet.services.placement.wire.root import VERSION


@service.get("/", auth=False, transaction="none", response=under("versions", [VERSION]), query=Query({}))
def root(call: Call) -> Reply:
    """The API's version and its range of microversions."""
    links = [{"rel": "self", "href": ""}]
    version = {"id": "v1.0", "max_version": text(MAXIMUM), "min_version": text(MINIMUM), "status": "CURRENT"}
    return dated(call, {"versions": [{**version, "links": links}]})
