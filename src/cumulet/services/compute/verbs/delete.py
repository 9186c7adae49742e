"""Delete: legal in every state and whatever is under way, which ends with it."""

from cumulet.engine.verbs import ANY, within
from cumulet.services.compute import states
from cumulet.services.compute.verb import ServerVerb

DELETE = ServerVerb(
    name="delete",
    action="delete",
    event="compute_terminate_instance",
    legal=within(*states.ALIVE, tasks=ANY),
    task=states.DELETING,
    want=None,
    report="absent",
    becomes={states.NO_STATE: states.DELETED},
    flow="delete",
    deadline="delete",
)
