"""Adopt: a server is made of a guest that a node keeps and no row names."""

from cumulet.engine.verbs import NOWHERE
from cumulet.services.compute import states
from cumulet.services.compute.verb import ServerVerb

ADOPT = ServerVerb(
    name="adopt",
    legal=NOWHERE,
    becomes={states.RUNNING: states.ACTIVE, states.SHUTDOWN: states.STOPPED},
)
