"""Reconcilers of image. They take no arguments but where the state is."""

from __future__ import annotations

import logging

from cumulet.services.image.model import content
from cumulet.services.image.service import ImageContext
from cumulet.store import Store

log = logging.getLogger("cumulet.image")


def recover_uploads(store: Store, context: ImageContext) -> None:
    """When the controller starts: nothing that a dead upload left stays. Safe beside uploads that run."""
    for what in content.recover(store, context.stores, context.staging):
        log.warning("image: removed or put back after an upload that died: %s", what)
