"""What this image service can do: import methods, stores, and what the caller's project uses of its limits."""

from __future__ import annotations

from typing import Any

from cumulet.http.bodies import Query, under
from cumulet.http.call import Call
from cumulet.services.image.context import ImageContext
from cumulet.services.image.model import imports, quota
from cumulet.services.image.model.stores import ImageStore
from cumulet.services.image.service import image as service
from cumulet.services.image.wire import info as wire
from cumulet.services.image.wire.imports import METHODS


@service.get("/v2/info/import", transaction="none", response=under("import-methods", METHODS))
def import_info(call: Call) -> dict[str, Any]:
    """Import methods."""
    methods = list(imports.METHODS)
    return {"import-methods": {"description": "Import methods available.", "type": "array", "value": methods}}


@service.get("/v2/info/stores", transaction="none", response=under("stores", [wire.STORE]), query=Query({}))
def stores_info(call: Call) -> dict[str, Any]:
    """Stores that keep bytes of images."""
    return {"stores": [_shown(call.context, store) for store in call.context.stores]}


@service.get(
    "/v2/info/stores/detail",
    transaction="none",
    policy="stores_info_detail",
    response=under("stores", [wire.DETAILED_STORE]),
    query=Query({}),
)
def stores_detail(call: Call) -> dict[str, Any]:
    """Stores with their settings, for administrators; never with their secrets."""
    return {
        "stores": [
            {
                **_shown(call.context, store),
                "type": store.kind,
                "weight": store.weight,
                "properties": dict(store.properties()),
            }
            for store in call.context.stores
        ]
    }


@service.get("/v2/info/usage", response=under("usage", wire.USAGE))
def usage(call: Call) -> dict[str, Any]:
    """What the caller's project uses of each limit, and the limit: -1 where there is none."""
    return {"usage": quota.shown(call.tx, call.context, call.caller.project_id)}


def _shown(context: ImageContext, store: ImageStore) -> dict[str, str]:
    shown = {"id": store.id}
    if store.description:
        shown["description"] = store.description
    if store is context.stores.default:
        shown["default"] = "true"
    if store.read_only:
        shown["read-only"] = "true"
    return shown
