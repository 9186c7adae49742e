"""Every answer that a test sees is held against what its operation declares: the body's shape at the version asked.

`watch` puts this between the operations and their answers, in the process of the tests alone; a cloud never checks.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import jsonschema_rs
import msgspec

from cumulet.http.bodies import Media, Shape, schema_of
from cumulet.http.operation import Operation
from cumulet.http.versions import Version

_found: dict[str, str] = {}


def watch() -> None:
    """Hold the answers of every app of this process against their declarations from now on."""
    from cumulet.http.app import Exchange

    send = Exchange._send

    async def checked(self: Exchange, status: int, data: bytes, content_type: str | None) -> None:
        if self.call is not None and data and status < 400 and not self.started:
            _look(self.call.operation, self.call.version, status, data, content_type or "")
        await send(self, status, data, content_type)

    Exchange._send = checked  # type: ignore[method-assign]


def taken() -> list[str]:
    """What did not fit since this was asked last, once per operation and reason."""
    found = [f"{name}: {problem}" for name, problem in _found.items()]
    _found.clear()
    return found


def _look(operation: Operation, version: Version, status: int, data: bytes, kind: str) -> None:
    problem = complaint(operation, version, data, kind)
    if problem is not None:
        at = ".".join(map(str, version))
        what = f" ({operation.action})" if operation.action else ""
        _found.setdefault(f"{operation.service} {operation.method} {operation.path}{what} at {at}, {status}", problem)


def complaint(operation: Operation, version: Version, data: bytes, kind: str) -> str | None:
    """What is wrong with a body, if anything."""
    if operation.response is None:
        return None if operation.answers else "a body, though the operation declares none"
    if isinstance(operation.response, Media):
        fits = any(kind.startswith(each.removesuffix("*")) for each in operation.response.types)
        return None if fits else f"{kind} is not declared"
    for error in _validator(operation.response, version).iter_errors(msgspec.json.decode(data)):
        return f"{error.message[:600]} (in {'.'.join(map(str, error.instance_path))})"
    return None


@cache
def _validator(response: Shape | type, version: Version) -> Any:
    return jsonschema_rs.validator_for(schema_of(response, version))
