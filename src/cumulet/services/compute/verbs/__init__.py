"""Everything that is done to a server, a file per verb: what may begin when, what it becomes, who waits for it.

A new verb is a new file here, found by itself; a verb that takes more than one report of a node has a flow of its own
in ``flows/``. `docs/server-states.md` is drawn from these values.
"""

from cumulet.engine.verbs import Verbs, verbs_of
from cumulet.services.compute.verb import ServerVerb

VERBS: Verbs[ServerVerb] = Verbs(verbs_of(__name__, ServerVerb), state="vm_state", task="task_state")

__all__ = ["VERBS"]
