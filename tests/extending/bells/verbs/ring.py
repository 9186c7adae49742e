"""Ring: for a while; one that rings cannot be rung."""

from cumulet.engine.verbs import Verb, within
from tests.extending.bells import states

RING = Verb(
    name="ring",
    legal=within(states.SILENT),
    task=states.RINGING,
    becomes={"over": states.SILENT},
    fails=states.SILENT,
    flow="bell_ring",
    deadline="ring",
)
