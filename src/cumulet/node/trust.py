"""Whether a node takes a controller's word: only of the cloud that it knows, and of no older memory than its own.

A controller that has lost its rows, or got older ones back, does not know it. Here it is found out, by what the node
remembers. Must never touch the host.
"""

from __future__ import annotations

import re

from cumulet.desired import texts
from cumulet.desired.clouds import Cloud, Seen

MOST_EPOCHS = 1000
"""So many epochs on is still believed: a controller that was taken over cannot use up the numbers that there are."""
_MOST_FIRST = 2**31
_RUN = re.compile(r"[0-9a-f]{0,32}")


def why_not(cloud: Cloud | None, seen: Seen | None) -> str | None:
    """Why the word of a controller of `cloud` is not taken by a node that has seen `seen`, a sentence; None when it is.
    A controller of before has no cloud: its word is taken by a node that never knew one."""
    if cloud is None:
        return None if seen is None else "The controller does not say whose it is, and this node belongs to a cloud."
    if (odd := _odd(cloud)) is not None:
        return odd
    if seen is None:
        return None if cloud.knows else "The controller does not stand by its rows, and this node keeps what it has."
    if cloud.id != seen.cloud_id:
        return f"The controller has the rows of cloud {cloud.id}; this node belongs to cloud {seen.cloud_id}."
    if cloud.epoch < seen.epoch:
        return f"The controller's rows are of epoch {cloud.epoch}; this node has seen epoch {seen.epoch}."
    if cloud.epoch > seen.epoch + MOST_EPOCHS:
        return f"The controller says that its epoch is {cloud.epoch}, which after {seen.epoch} cannot be."
    if cloud.epoch == seen.epoch and not cloud.knows:
        return f"The controller's rows do not know revision {seen.revision}, which this node has seen: they are older."
    return None


def _odd(cloud: Cloud) -> str | None:
    try:
        texts.uuid(cloud.id)
    except ValueError:
        return "The controller says that it is of a cloud that cannot be."
    if not 0 < cloud.epoch <= _MOST_FIRST or not _RUN.fullmatch(cloud.run):
        return "The controller says that it is in an epoch or a run that cannot be."
    return None
