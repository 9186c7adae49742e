"""Types of fields that several nouns have, and the attributes beyond the known ones that Keystone keeps."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta

Name = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"[\S]+")]
ShortName = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"[\S]+")]
Id = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[a-zA-Z0-9-]+\Z")]
Options = dict[str, Any]

_OURS = frozenset({"id", "links"})


@cache
def _names(shape: type) -> frozenset[str]:
    return frozenset(field.encode_name for field in msgspec.structs.fields(shape))


def extra(shape: type, raw: dict[str, Any]) -> dict[str, Any]:
    """Attributes of `raw` that `shape` does not know and Keystone would keep."""
    known = _names(shape) | _OURS
    return {name: value for name, value in raw.items() if name not in known}


def given(body: msgspec.Struct, *names: str) -> dict[str, Any]:
    """Those of the fields `names` that the request has."""
    found = {name: getattr(body, name) for name in names}
    return {name: value for name, value in found.items() if value is not UNSET}
