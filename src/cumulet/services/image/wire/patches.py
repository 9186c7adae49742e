"""JSON patches on the wire, in both of Glance's media types.

``v2.1`` is RFC 6902 without move, copy and test: ``{"op": "add", "path": "/name", "value": …}``; ``v2.0`` an older
draft: ``{"add": "/name", "value": …}``.
"""

from __future__ import annotations

import re
from typing import Any

from msgspec import Struct

from cumulet.http.faults import BadRequest
from cumulet.services.image.wire import images as wire
from cumulet.services.image.wire.schema import Declared, Document, array, record, require, text

DRAFT_4 = "application/openstack-images-v2.0-json-patch"
DRAFT_10 = "application/openstack-images-v2.1-json-patch"
MEDIA_TYPES = (DRAFT_4, DRAFT_10)
_OPS = ("add", "remove", "replace")
_LOCATION_DEPTH = {"add": 2, "remove": 2, "replace": 1}


class Change(Struct, frozen=True):
    """One operation of a patch. `place` is where in the list of locations; `only_new`: an add may not replace."""

    op: str
    name: str
    value: Any = None
    place: str | None = None
    only_new: bool = False


def parse(body: list[Any], media_type: str) -> list[Change]:
    """The patch's operations. Raises 400, and 403 for attributes that only Glance writes."""
    found = []
    for raw in body:
        if not isinstance(raw, dict):
            raise BadRequest("Operations must be JSON objects.")
        op, pointer = _draft_10(raw) if media_type == DRAFT_10 else _draft_4(raw)
        found.append(_change(op, pointer, raw, only_new=media_type == DRAFT_4))
    return found


def _draft_10(raw: dict[str, Any]) -> tuple[str, Any]:
    op = raw.get("op")
    choices = ", ".join(_OPS)
    if op is None:
        raise BadRequest(f"Unable to find `op` in JSON Schema change. It must be one of the following: {choices}.")
    if op not in _OPS:
        raise BadRequest(f"Invalid operation: `{op}`. It must be one of the following: {choices}.")
    if "path" not in raw:
        raise BadRequest("Unable to find 'path' in JSON Schema change")
    return op, raw["path"]


def _draft_4(raw: dict[str, Any]) -> tuple[str, Any]:
    ops = [op for op in _OPS if op in raw]
    if len(ops) > 1:
        raise BadRequest('Operation objects must contain only one member named "add", "remove", or "replace".')
    if not ops:
        raise BadRequest('Operation objects must contain exactly one member named "add", "remove", or "replace".')
    return ops[0], raw[ops[0]]


def _change(op: str, pointer: Any, raw: dict[str, Any], *, only_new: bool) -> Change:
    if not isinstance(pointer, str):
        raise BadRequest("A JSON pointer must be a string.")
    steps = _steps(pointer)
    name = steps[0]
    depth = _LOCATION_DEPTH[op] if name == "locations" else 1
    if len(steps) != depth:
        raise BadRequest(f"Invalid JSON pointer for this resource: '/{'/'.join(steps)}'")
    if op != "remove" and "value" not in raw:
        raise BadRequest(f'Operation "{op}" requires a member named "value".')
    if name in wire.READ_ONLY:
        raise wire.read_only(name)
    if name in wire.RESERVED or name.startswith(wire.RESERVED_PREFIX):
        raise wire.reserved(name)
    if len(name) > 255:
        raise BadRequest("Custom property should not be greater than 255 characters.")
    value = None if op == "remove" else _value(name, raw["value"], within=depth == 2)
    return Change(op, name, value, steps[1] if depth == 2 else None, only_new)


def _value(name: str, value: Any, *, within: bool) -> Any:
    if within:
        require("image", {"type": "object", **wire.SCHEMA}, {name: [value]})
        return value
    return wire.checked(name, value)


def _steps(pointer: str) -> list[str]:
    """A JSON pointer's parts. Raises 400."""
    if not pointer.startswith("/"):
        raise BadRequest(f'Pointer `{pointer}` does not start with "/".')
    if re.search(r"/\s*?/", pointer[1:]):
        raise BadRequest(f'Pointer `{pointer}` contains adjacent "/".')
    if len(pointer) > 1 and pointer.endswith("/"):
        raise BadRequest(f'Pointer `{pointer}` end with "/".')
    if not pointer[1:].strip():
        raise BadRequest(f"Pointer `{pointer}` does not contains valid token.")
    if re.search(r"~[^01]", pointer) or pointer.endswith("~"):
        raise BadRequest(f'Pointer `{pointer}` contains "~" not part of a recognized escape sequence.')
    return [part.replace("~1", "/").replace("~0", "~").strip() for part in pointer.lstrip("/").split("/")]


_ANY_VALUE: Declared = {"description": "The new value; not there to remove"}
PATCH = Document(
    array(
        record(
            {
                "op": {"type": "string", "enum": list(_OPS)},
                "path": text("A JSON pointer"),
                "value": _ANY_VALUE,
                **{op: text("A JSON pointer, as the older of the two media types has it") for op in _OPS},
            }
        )
    ),
    form=list,
)
