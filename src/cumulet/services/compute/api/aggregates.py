"""Host aggregates. There are none yet; clients ask for the list when they show a hypervisor."""

from __future__ import annotations

from typing import Any

from cumulet.http import Call
from cumulet.http.bodies import Query, under
from cumulet.services.compute.service import service
from cumulet.services.compute.wire.aggregates import AGGREGATE


@service.get(
    "/v2.1/os-aggregates",
    policy="os_compute_api:os-aggregates:index",
    response=under("aggregates", [AGGREGATE]),
    query=Query({}),
)
def index(call: Call) -> dict[str, Any]:
    """List host aggregates."""
    return {"aggregates": []}
