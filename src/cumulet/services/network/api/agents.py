"""Operations on agents."""

from __future__ import annotations

from cumulet.http import Call
from cumulet.http.bodies import under
from cumulet.services.network.bodies import FIELDS
from cumulet.services.network.extension import Body
from cumulet.services.network.model import agents as model
from cumulet.services.network.service import network as service
from cumulet.services.network.wire.agents import AGENT, QUERY

_NO_FILTERS = ("fields", "limit", "marker", "sort_key", "sort_dir", "page_reverse")


def _fields(call: Call, agent: Body) -> Body:
    wanted = call.query.get("fields")
    return {name: value for name, value in agent.items() if name in wanted} if wanted else agent


@service.get("/v2.0/agents", policy="get_agent", response=under("agents", [AGENT]), query=QUERY)
def list_agents(call: Call) -> Body:
    """List agents."""
    filters = {name: values for name, values in call.query.items() if name not in _NO_FILTERS}
    return {"agents": [_fields(call, agent) for agent in model.matching(model.every(call.tx), filters)]}


@service.get("/v2.0/agents/{agent_id}", policy="get_agent", response=under("agent", AGENT), query=FIELDS)
def show_agent(call: Call, agent_id: str) -> Body:
    """Show an agent."""
    return {"agent": _fields(call, model.find(call.tx, agent_id))}


@service.delete("/v2.0/agents/{agent_id}", policy="delete_agent", status=204, faults=(409,))
def delete_agent(call: Call, agent_id: str) -> None:
    """Remove an agent of a host that is gone."""
    model.remove(call.tx, agent_id)
