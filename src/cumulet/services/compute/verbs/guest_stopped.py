"""A guest that was to run stopped by itself: from now on that is what is wanted, as Nova's sync of power states has
it. Nobody asks for this; reports bring it."""

from cumulet.engine.verbs import within
from cumulet.services.compute import states
from cumulet.services.compute.verb import ServerVerb

GUEST_STOPPED = ServerVerb(
    name="guest_stopped",
    legal=within(states.ACTIVE),
    want={"power": "off"},
    report="ready",
    becomes={states.SHUTDOWN: states.STOPPED, states.CRASHED: states.STOPPED},
)
