"""Shapes of imports. What they mean is checked where their stores are known."""

from __future__ import annotations

from cumulet.http.bodies import Record
from cumulet.services.image.wire.schema import Document, array, record, text

_METHOD = record(
    {
        "name": text("How the bytes come"),
        "uri": text("Where they are, for web-download"),
        "glance_image_id": text("The other image, for glance-download"),
        "glance_region": text("Its region"),
        "glance_service_interface": text("Its interface", null=True),
    },
    required=["name"],
)
IMPORT = Document(
    record(
        {
            "method": _METHOD,
            "all_stores": {"type": "boolean"},
            "all_stores_must_succeed": {"type": "boolean"},
            "stores": array({"type": "string"}),
        },
        required=["method"],
    )
)
METHODS = Record("ImportMethods", {"description": str, "type": str, "value": [str]})
