"""Look at a server's screen."""

from cumulet.engine.verbs import ANY, within
from cumulet.services.compute import states
from cumulet.services.compute.verb import ServerVerb

GET_CONSOLE = ServerVerb(
    name="get_console",
    legal=within(states.ACTIVE, states.PAUSED, states.ERROR, tasks=ANY),
)
