"""What every shape on the link is built upon.

Everything crosses the link between controller and node as JSON. Ids are the resources' own UUIDs with dashes; addresses
are strings; sizes say their unit in the name.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

Count = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
"""A number that a database keeps in 32 bits."""


Moment = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
"""µs since 1970."""


class Shape(msgspec.Struct, omit_defaults=True, kw_only=True):
    """Base of every shape on the link: keyword only, defaults left out on the wire."""
