"""A host does what it could not do before, and the guest of a failed server is as wanted. Nobody asks for this; reports
bring it."""

from cumulet.engine.verbs import within
from cumulet.services.compute import states
from cumulet.services.compute.verb import POWERED_ON, ServerVerb

GUEST_MENDED = ServerVerb(name="guest_mended", legal=within(states.ERROR), report="ready", becomes=POWERED_ON)
