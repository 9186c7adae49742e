"""Whether a list from a request says something twice, found in one pass: a body has room for tens of thousands of
items, and comparing each with all before it takes seconds. Knows no shape."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

_encoder = msgspec.json.Encoder(order="sorted")


def repeated(items: Iterable[Any]) -> int | None:
    """The place of the first item that equals one before it; None when all differ. Items are what JSON can say."""
    seen: set[Any] = set()
    for place, item in enumerate(items):
        key = item if isinstance(item, str) else _encoder.encode(item)
        if key in seen:
            return place
        seen.add(key)
    return None
