"""Reboot, softly: the guest is asked to start anew."""

from cumulet.engine.verbs import within
from cumulet.services.compute import states
from cumulet.services.compute.verb import POWERED_ON, ServerVerb

REBOOT = ServerVerb(
    name="reboot",
    action="reboot",
    event="compute_reboot_instance",
    legal=within(states.ACTIVE),
    task=states.REBOOTING,
    want={"power": "on"},
    counts="soft_reboots",
    report="ready",
    becomes=POWERED_ON,
    fails=states.ERROR,
    flow="power",
    deadline="power",
)
