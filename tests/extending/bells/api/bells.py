"""Operations of bells."""

from __future__ import annotations

from typing import Any

from cumulet.http import Call, Found
from cumulet.http.bodies import EMPTY, Query, under
from tests.extending.bells.flows import ring as ringing
from tests.extending.bells.model import bells
from tests.extending.bells.service import bell
from tests.extending.bells.tables import BellRow
from tests.extending.bells.wire.bells import BELL, NewBellBody, Ring, shown

ONE = Found(("bell_id",), lambda call, bell_id: bells.get(call.tx, bell_id), lambda row: {"project_id": row.project_id})


@bell.get("/v1/bells", policy="bell:bells:index", response=under("bells", [BELL]), query=Query({}))
def index(call: Call) -> dict[str, Any]:
    """List the project's bells."""
    return {"bells": [shown(row) for row in bells.listed(call.tx, call.caller.project_id or "")]}


@bell.post(
    "/v1/bells",
    status=201,
    policy="bell:bells:create",
    request=NewBellBody,
    response=under("bell", BELL),
    faults=(403,),
)
def create(call: Call) -> dict[str, Any]:
    """Hang a bell up."""
    row = bells.create(call.tx, call.caller.project_id or "", call.body.bell.name, call.context.most)
    return {"bell": shown(row)}


@bell.get("/v1/bells/{bell_id}", target=ONE, policy="bell:bells:show", response=under("bell", BELL), query=Query({}))
def show(call: Call, row: BellRow) -> dict[str, Any]:
    """Show a bell."""
    return {"bell": shown(row)}


@bell.delete("/v1/bells/{bell_id}", target=ONE, policy="bell:bells:delete", response=EMPTY)
def delete(call: Call, row: BellRow) -> None:
    """Take a bell down."""
    bells.delete(call.tx, row)


@bell.action("/v1/bells/{bell_id}/action", "ring", target=ONE, policy="bell:bells:ring", request=Ring, status=202)
def ring(call: Call, row: BellRow) -> None:
    """Ring a bell for some seconds."""
    ringing.start(call.tx, call.context.engine, row, call.body.arguments.seconds)
