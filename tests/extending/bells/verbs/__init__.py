"""Everything that is done to a bell that is there, a file per verb, found by itself."""

from cumulet.engine.verbs import Verb, Verbs, verbs_of

VERBS: Verbs[Verb] = Verbs(verbs_of(__name__, Verb), state="state")

__all__ = ["VERBS"]
