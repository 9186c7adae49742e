"""Identity's operations, one module per noun; importing this package declares all of them."""

from cumulet.services.identity.api import (
    discovery,
    tokens,
)

LOADED = (
    discovery,
    tokens,
)
