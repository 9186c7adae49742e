"""Reconcilers of identity. They take no arguments but where the state is."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from cumulet.services.identity.model import keys

log = logging.getLogger("cumulet.identity")

KEY_FOLDERS = ("fernet-keys", "receipt-keys")
"""Folders of keys below `secrets`: of tokens, and of receipts for logins that are not complete."""
_LOOK_S = 3600.0


def keep_keys_fresh(secrets: Path, stop: threading.Event) -> None:
    """Rotate keys when they are due, until `stop`; the body of a thread. A failure is logged and tried again."""
    while True:
        for name in KEY_FOLDERS:
            try:
                if keys.rotate_when_due(secrets / name):
                    log.info("identity: rotated the keys in %s", name)
            except OSError as error:
                log.error("identity: cannot rotate the keys in %s: %s", name, error.strerror)
        if stop.wait(_LOOK_S):
            return


def rotate_keys(secrets: Path) -> dict[str, list[int]]:
    """Rotate all keys now; folder → numbers of the keys that are there afterwards, the one that signs last."""
    found = {}
    for name in KEY_FOLDERS:
        keys.rotate(secrets / name)
        found[name] = keys.numbers(secrets / name)
    return found
