"""Deals files to workers as `tests/order.py` says; imported only where pytest-xdist deals."""

from __future__ import annotations

from xdist.scheduler import LoadFileScheduling

from tests import order


class Dealing(LoadFileScheduling):
    """The tests of a unit go to one worker, units in the order of collection."""

    def _split_scope(self, nodeid: str) -> str:
        return order.unit(nodeid)
