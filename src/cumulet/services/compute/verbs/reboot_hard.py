"""Reboot, hard: the guest is ended and started anew. It also brings a stopped or failed server up, and overtakes a
reboot that is under way."""

from cumulet.engine.verbs import within
from cumulet.services.compute import states
from cumulet.services.compute.verb import POWERED_ON, ServerVerb

REBOOT_HARD = ServerVerb(
    name="reboot_hard",
    action="reboot",
    event="compute_reboot_instance",
    legal=within(
        *(states.ACTIVE, states.STOPPED, states.PAUSED, states.SUSPENDED, states.ERROR),
        tasks=(None, states.REBOOTING, states.REBOOTING_HARD),
    ),
    task=states.REBOOTING_HARD,
    want={"power": "on"},
    counts="hard_reboots",
    report="ready",
    becomes=POWERED_ON,
    fails=states.ERROR,
    flow="power",
    deadline="power",
)
