"""Which extensions of the API are there. Only what works stands in the list: clients decide by it what to try."""

from __future__ import annotations

from cumulet.http import Call
from cumulet.http.bodies import Query, under
from cumulet.services.network import extensions, faults
from cumulet.services.network.extension import Body, Extension
from cumulet.services.network.service import network as service
from cumulet.services.network.wire.discovery import EXTENSION


def _shown(extension: Extension) -> Body:
    return {
        "alias": extension.alias,
        "name": extension.name,
        "description": extension.description,
        "updated": "2026-01-01T00:00:00-00:00",
        "links": [],
    }


@service.get("/v2.0/extensions", transaction="none", response=under("extensions", [EXTENSION]), query=Query({}))
def list_extensions(_call: Call) -> Body:
    """List extensions."""
    return {"extensions": [_shown(each) for each in extensions.listed().values()]}


@service.get("/v2.0/extensions/{alias}", transaction="none", response=under("extension", EXTENSION))
def show_extension(_call: Call, alias: str) -> Body:
    """Show an extension."""
    found = extensions.listed().get(alias)
    if found is None:
        raise faults.not_found("extension", alias)
    return {"extension": _shown(found)}
