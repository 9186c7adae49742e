"""Allocation candidates: who could give what is asked for, each as a body for ``PUT /allocations``."""

from __future__ import annotations

from typing import Any

from cumulet.http.call import Call, Reply
from cumulet.http.faults import BadRequest
from cumulet.services.placement.model import candidates, classes, providers, traits
from cumulet.services.placement.service import placement as service
from cumulet.services.placement.wire import queries
from cumulet.services.placement.wire.freshness import dated

_SINCE = {"limit": (1, 16), "required": (1, 17), "member_of": (1, 21), "group_policy": (1, 25), "in_tree": (1, 31)}


@service.get("/allocation_candidates", since=(1, 10), policy="placement:allocation_candidates:list")
def index(call: Call) -> Reply:
    """List who has room, each provider by itself (providers are not combined with their children)."""
    known = {"resources", *(name for name, since in _SINCE.items() if call.version >= since)}
    queries.refuse_others(call.query, known, ("member_of", "required") if call.version >= (1, 39) else ("member_of",))
    if "resources" not in call.query:
        raise BadRequest(
            "Invalid query string parameters: 'resources' is a required property",
            code="placement.query.missing_value",
        )
    filters = queries.filters(call.query, call.version)
    unknown = classes.missing(call.tx, list(filters.resources))
    if unknown:
        raise BadRequest(f"Invalid resource class in resources parameter: No such resource class {unknown[0]}.")
    traits.require_all(call.tx, filters, "")
    where = providers.conditions(call.tx, providers.narrowed(filters)) if filters.narrow else ()
    found = candidates.candidates(call.tx, filters.resources, limit=_limit(call), where=where)
    return dated(call, _body(call, found, dict(filters.resources)))


def _limit(call: Call) -> int | None:
    if "limit" not in call.query:
        return None
    text = call.query["limit"][-1]
    if not text.isdigit() or not 0 < int(text) < 2**31:
        raise BadRequest(f"Invalid query string parameters: {text!r} does not match '^[1-9][0-9]*$'")
    return int(text)


def _body(call: Call, found: list[candidates.Candidate], asked: dict[str, int]) -> dict[str, Any]:
    uuids = [one.provider_uuid for one in found]
    stock = candidates.summaries(call.tx, uuids)
    labels = traits.of_providers(call.tx, uuids) if call.version >= (1, 17) else {}
    trees = providers.trees(call.tx, uuids) if call.version >= (1, 29) else {}
    summaries: dict[str, dict[str, Any]] = {}
    for uuid in uuids:
        summary: dict[str, Any] = {
            "resources": {
                name: {"capacity": capacity, "used": used}
                for name, (capacity, used) in stock[uuid].items()
                if call.version >= (1, 27) or name in asked
            }
        }
        if call.version >= (1, 17):
            summary["traits"] = labels.get(uuid, [])
        if call.version >= (1, 29):
            summary["parent_provider_uuid"], summary["root_provider_uuid"] = trees[uuid]
        summaries[uuid] = summary
    requests = [_request(call, uuid, asked) for uuid in uuids]
    return {"allocation_requests": requests, "provider_summaries": summaries}


def _request(call: Call, uuid: str, asked: dict[str, int]) -> dict[str, Any]:
    if call.version < (1, 12):
        return {"allocations": [{"resource_provider": {"uuid": uuid}, "resources": asked}]}
    body: dict[str, Any] = {"allocations": {uuid: {"resources": asked}}}
    return body | {"mappings": {"": [uuid]}} if call.version >= (1, 34) else body
