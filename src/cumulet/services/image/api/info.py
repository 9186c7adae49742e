"""What this image service can do: no import methods, one store."""

from __future__ import annotations

from typing import Any

from cumulet.http.call import Call
from cumulet.http.faults import Conflict
from cumulet.services.image.model import images as model
from cumulet.services.image.service import image as service


@service.get("/v2/info/import", transaction="none")
def import_info(call: Call) -> dict[str, Any]:
    """Import methods: none, bytes come by upload."""
    return {"import-methods": {"description": "Import methods available.", "type": "array", "value": []}}


@service.get("/v2/info/stores", transaction="none")
def stores_info(call: Call) -> dict[str, Any]:
    """Where bytes are kept: one folder."""
    return {"stores": [{"id": "file", "default": "true"}]}


@service.post("/v2/images/{image_id}/import", request=dict, policy_in_handler="modify_image")
def import_image(call: Call, image_id: str) -> None:
    """Import bytes: refused, there is no import method."""
    found = model.get(call.tx, call.caller, image_id)
    call.require("modify_image", found.target(call.caller))
    method = call.body.get("method")
    name = method.get("name") if isinstance(method, dict) else None
    raise Conflict(f"Unknown import method name '{name}'.")
