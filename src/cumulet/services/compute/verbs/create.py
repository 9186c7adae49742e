"""Create: a server is there from the first moment, and runs when its node says so."""

from cumulet.engine.verbs import NOWHERE
from cumulet.services.compute import states
from cumulet.services.compute.verb import ServerVerb

CREATE = ServerVerb(
    name="create",
    action="create",
    event="compute__do_build_and_run_instance",
    legal=NOWHERE,
    puts=states.BUILDING,
    task=states.SPAWNING,
    want={"power": "on"},
    report="ready",
    becomes={states.RUNNING: states.ACTIVE},
    fails=states.ERROR,
    flow="create",
    deadline="create",
)
