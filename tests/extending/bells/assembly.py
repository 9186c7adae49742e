"""The part of a process that bells are."""

from __future__ import annotations

from cumulet.engine.retention import Forgets
from cumulet.process import Part, Process
from tests.extending.bells import Options, door


def assemble(process: Process) -> Part:
    """Bells that can ring, can be explained, and are forgotten when they are gone for long."""
    door.register(process.engine)
    return Part(
        door.BellContext(process.engine, process.settings.own(Options).bells_in_a_project),
        find=door.find,
        forgets={"bells": Forgets(door.forget, door.kept)},
    )
