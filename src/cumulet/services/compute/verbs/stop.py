"""Stop: power a server off; a failed one as well."""

from cumulet.engine.verbs import within
from cumulet.services.compute import states
from cumulet.services.compute.verb import POWERED_OFF, ServerVerb

STOP = ServerVerb(
    name="stop",
    action="stop",
    event="compute_stop_instance",
    legal=within(states.ACTIVE, states.ERROR),
    task=states.POWERING_OFF,
    want={"power": "off"},
    report="ready",
    becomes=POWERED_OFF,
    fails=states.ERROR,
    flow="power",
    deadline="power",
)
