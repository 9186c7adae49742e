"""Runs the handler of a call: in its transaction, on a thread, with the row that the operation is about."""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager
from typing import Any

from cumulet.db import Transaction
from cumulet.http.call import Call


async def run(call: Call) -> Any:
    """What the handler answers. Raises what it raises, and 404 and `Forbidden` about its target."""
    operation = call.operation
    if not operation.asynchronous:
        return await asyncio.get_running_loop().run_in_executor(None, _in_transaction, call)
    if operation.target is None:
        return await operation.handler(call, **call.params)
    row = await call.in_thread(_found, call)
    return await operation.handler(call, row, **_rest(call))


def _in_transaction(call: Call) -> Any:
    operation = call.operation
    if operation.transaction == "none":
        return operation.handler(call, *(() if operation.target is None else (_found(call),)), **_rest(call))
    opened: AbstractContextManager[Transaction] = (
        call.transaction() if operation.transaction == "write" else call.db.read()
    )
    if operation.target is not None:
        operation.target.ahead(call)
    with opened as tx:
        call._tx = tx
        if operation.target is None:
            return operation.handler(call, **call.params)
        return operation.handler(call, operation.target.reached(call), **_rest(call))


def _found(call: Call) -> Any:
    """The row of an operation that opens transactions of its own."""
    target = call.operation.target
    assert target is not None
    target.ahead(call)
    with call.reading():
        return target.reached(call)


def _rest(call: Call) -> dict[str, str]:
    """The path's parameters that do not name the target."""
    target = call.operation.target
    return {name: value for name, value in call.params.items() if target is None or name not in target.params}
