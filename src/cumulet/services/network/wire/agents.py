"""Shapes of agents."""

from __future__ import annotations

from cumulet.http.bodies import Query, Record, optional

AGENT = Record(
    "Agent",
    {
        **dict.fromkeys(("id", "agent_type", "binary", "topic", "host"), optional(str)),
        **dict.fromkeys(("created_at", "started_at", "heartbeat_timestamp"), optional(str)),
        **dict.fromkeys(("availability_zone", "description", "resources_synced"), optional(str | None)),
        **dict.fromkeys(("admin_state_up", "alive"), optional(bool)),
        "configurations": optional(dict),
    },
)
QUERY = Query({name: [str] for name in (*AGENT.fields, "fields") if name != "configurations"})
