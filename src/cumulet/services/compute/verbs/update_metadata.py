"""Change a server's metadata."""

from cumulet.engine.verbs import ANY, within
from cumulet.services.compute import states
from cumulet.services.compute.verb import ServerVerb

UPDATE_METADATA = ServerVerb(
    name="update_metadata",
    action="update metadata",
    legal=within(
        *(states.BUILDING, states.ACTIVE, states.STOPPED, states.PAUSED, states.SUSPENDED, states.ERROR), tasks=ANY
    ),
)
