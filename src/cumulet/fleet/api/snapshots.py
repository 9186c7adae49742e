"""``cumulet snapshot`` and ``cumulet reset`` of a running simulated cloud, for the operator alone.

A reset is one transaction: whoever asks afterwards meets the rows of the snapshot, whoever asked before met the old
ones.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from cumulet.fleet.service import Snapshots, service, the_operator
from cumulet.http import Call
from cumulet.http.faults import Conflict, NotFound
from cumulet.http.shapes import Open

NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}\Z"


class Named(Open):
    """`name` of a snapshot."""

    name: Annotated[str, msgspec.Meta(pattern=NAME)]


def _snapshots(call: Call) -> Snapshots:
    found: Snapshots | None = call.context.snapshots
    if found is None:
        raise Conflict("A cloud with a real hypervisor has no snapshots to go back to: its guests would be lost.")
    return found


@service.get("/v1/snapshots", auth=False, admit=the_operator, transaction="read")
def every(call: Call) -> dict[str, Any]:
    """The snapshots that there are."""
    return {"snapshots": _snapshots(call).names()}


@service.post("/v1/snapshots", auth=False, admit=the_operator, request=Named, transaction="read", status=201)
def take(call: Call) -> dict[str, Any]:
    """Remember all rows and images under a name; one of that name is replaced."""
    name: str = call.body.name
    call.about = [name]
    return {"name": name, "rows": _snapshots(call).take(call.tx, name)}


@service.post("/v1/reset", auth=False, admit=the_operator, request=Named)
def reset(call: Call) -> dict[str, Any]:
    """Go back to a snapshot: rows, images and simulated guests."""
    name: str = call.body.name
    call.about = [name]
    found = _snapshots(call)
    try:
        return {"name": name, **found.reset(call.tx, name)}
    except FileNotFoundError:
        known = ", ".join(found.names()) or "none"
        raise NotFound(f"There is no snapshot {name}; there are: {known}.") from None
    except ValueError as error:
        raise Conflict(f"Snapshot {name} cannot be gone back to: {error}.") from None
