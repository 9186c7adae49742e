"""Mappings: list, create, show, update, delete."""

from __future__ import annotations

from typing import Any

from cumulet.http import Call
from cumulet.http.bodies import under
from cumulet.services.identity.model import lookups
from cumulet.services.identity.model import mappings as model
from cumulet.services.identity.service import identity
from cumulet.services.identity.tables import MappingRow
from cumulet.services.identity.wire import mappings as wire
from cumulet.services.identity.wire.collections import collection, filters, listed

_PATH = "/v3/OS-FEDERATION/mappings"


@identity.get(_PATH, policy="identity:list_mappings", response=listed("mappings", wire.MAPPING), query=filters())
def browse(call: Call) -> Any:
    """List mappings."""
    return collection(call, "mappings", model.browse(call.tx), wire.shown, whole=True)


@identity.put(
    f"{_PATH}/{{mapping_id}}",
    policy="identity:create_mapping",
    request=wire.MappingRequest,
    status=201,
    response=under("mapping", wire.MAPPING),
)
def create(call: Call, mapping_id: str) -> Any:
    """Create a mapping."""
    checked = model.checked(call.raw["mapping"])
    return {"mapping": wire.shown(call, model.create(call.tx, mapping_id, checked))}


@identity.get(f"{_PATH}/{{mapping_id}}", policy="identity:get_mapping", response=under("mapping", wire.MAPPING))
def show(call: Call, mapping_id: str) -> Any:
    """Show a mapping."""
    return {"mapping": wire.shown(call, lookups.get(call.tx, MappingRow, mapping_id))}


@identity.patch(
    f"{_PATH}/{{mapping_id}}",
    policy="identity:update_mapping",
    request=wire.MappingRequest,
    response=under("mapping", wire.MAPPING),
)
def update(call: Call, mapping_id: str) -> Any:
    """Give a mapping other rules."""
    checked = model.checked(call.raw["mapping"])
    return {"mapping": wire.shown(call, model.update(call.tx, mapping_id, checked))}


@identity.delete(f"{_PATH}/{{mapping_id}}", policy="identity:delete_mapping")
def delete(call: Call, mapping_id: str) -> None:
    """Delete a mapping."""
    model.delete(call.tx, mapping_id)
