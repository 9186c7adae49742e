"""Start: power a stopped server on."""

from cumulet.engine.verbs import within
from cumulet.services.compute import states
from cumulet.services.compute.verb import POWERED_ON, ServerVerb

START = ServerVerb(
    name="start",
    action="start",
    event="compute_start_instance",
    legal=within(states.STOPPED),
    task=states.POWERING_ON,
    want={"power": "on"},
    report="ready",
    becomes=POWERED_ON,
    fails=states.ERROR,
    flow="power",
    deadline="power",
)
