"""Where bytes of images are kept: one contract, several kinds of store.

Nothing here knows images' rows, callers or policy; a store knows objects by their URL only.
"""

from cumulet.services.image.model.stores.contract import (
    BytesMissing,
    ImageStore,
    Reading,
    ReadOnly,
    StoreAway,
    StoreFault,
    StoreFull,
    Writing,
)
from cumulet.services.image.model.stores.set import Stores, UnknownStore

__all__ = [
    "BytesMissing",
    "ImageStore",
    "ReadOnly",
    "Reading",
    "StoreAway",
    "StoreFault",
    "StoreFull",
    "Stores",
    "UnknownStore",
    "Writing",
]
