"""Faults that somebody asked for: an operation of a simulated cloud fails, or takes its time, as a test wants to see.

They are kept in memory alone and end with the process. A cloud with real hosts has none of this.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from cumulet.desired.simulation import FaultOrder, SimulationError, fits, meant, seconds
from cumulet.http.faults import Fault
from cumulet.http.operation import Operation, Service

_VERSION = re.compile(r"/v[0-9.]+(?=/)")


@dataclass
class _Asked:
    """One fault, and how often it is still to be met (None: always)."""

    id: int
    order: FaultOrder
    left: int | None


class OnDemand:
    """The faults of a process. Operations are named ``compute:POST:/servers``, actions also
    ``compute:POST:/servers/{server_id}/action:os-start``; ``*`` and ``?`` stand for letters. Those of other services
    than `services` gives never fail: the way by which a fault is taken back is among them. It is asked with the first
    order, as operations are declared when they are looked at."""

    def __init__(self, services: Callable[[], Sequence[Service]]) -> None:
        self._services = services
        self._lock = threading.Lock()
        self._ids = itertools.count(1)
        self.asked: list[_Asked] = []

    @cached_property
    def _operations(self) -> set[str]:
        return {name for service in self._services() for each in service.operations for name in _names(each)}

    def add(self, order: FaultOrder) -> int:
        """From now on; its number. Raises SimulationError for an operation that there is not."""
        if not any(fits(order.operation, name) for name in self._operations):
            raise SimulationError(f"there is no operation {order.operation}{_near(order.operation, self._operations)}")
        with self._lock:
            self.asked.append(_Asked(next(self._ids), order, order.times))
            return self.asked[-1].id

    def clear(self) -> None:
        """Forget all of them."""
        with self._lock:
            self.asked = []

    def shown(self) -> list[dict[str, Any]]:
        """What is still to be met: an order's fields with `id` and `left`."""
        with self._lock:
            return [
                {"id": each.id, "operation": each.order.operation, "status": each.order.status}
                | {"delay": each.order.delay, "left": each.left}
                for each in self.asked
            ]

    async def meet(self, operation: Operation) -> None:
        """The delay, or the fault, that the newest order has for `operation`. Raises Fault."""
        order = self._taken(operation)
        if order is None:
            return
        if order.delay is not None:
            await asyncio.sleep(seconds("delay", order.delay))
        if order.status is not None:
            headers = {} if order.retry_after is None else {"Retry-After": str(order.retry_after)}
            raise Fault("This fault was asked for: cumulet simulate fault.", status=order.status, headers=headers)

    def _taken(self, operation: Operation) -> FaultOrder | None:
        names = _names(operation)
        if names[1] not in self._operations:
            return None
        with self._lock:
            for each in reversed(self.asked):
                if any(fits(each.order.operation, name) for name in names):
                    if each.left is not None:
                        each.left -= 1
                        if each.left <= 0:
                            self.asked.remove(each)
                    return each.order
        return None


def _names(operation: Operation) -> list[str]:
    """``compute:POST:/servers`` and the same with the version of the path; of an action with and without its key."""
    begin = f"{operation.service}:{operation.method}:"
    names = [begin + _VERSION.sub("", operation.path, count=1), begin + operation.path]
    return names + [f"{name}:{operation.action}" for name in names if operation.action]


def _near(wanted: str, known: set[str]) -> str:
    service, _, rest = wanted.partition(":")
    services = {name.partition(":")[0] for name in known}
    if service not in services:
        return meant(service, sorted(services))
    same = [name for name in known if name.startswith(f"{service}:{rest.partition(':')[0]}:")]
    return meant(wanted, same) if len(same) < 500 else ""
